//! All integration tests, one binary.

/// What follows `line:column`.
fn after_place(text: &str) -> &str {
    let is_digit = |c: char| c.is_ascii_digit();
    let column = text.trim_start_matches(is_digit).trim_start_matches(':');
    column.trim_start_matches(is_digit)
}

/// A place for a file that no other test of this or another process has, whatever it is called: tests run at the same time.
fn temporary_file(name: &str) -> std::path::PathBuf {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("pullback-{}-{number}-{name}.safetensors", std::process::id()))
}

mod accumulation;
mod allocation;
mod arrange;
mod autodiff;
mod batching;
mod budget;
mod cancel;
mod carried_states;
mod checked;
mod checkpoints;
mod cifar;
mod codegen;
mod compiled;
mod constants;
mod contained_loops;
mod custom;
mod data;
mod decompositions;
mod densities;
mod diagnostics;
mod documents;
mod epilogue;
mod figures;
mod files;
mod fourier;
mod gpt;
mod gradient_checks;
mod gradients;
mod implicit;
mod instruction_sets;
mod integers;
mod jacobians;
mod joined;
mod landscape;
mod layers;
mod lecture;
mod lie;
mod limits;
mod linear_algebra;
mod loops;
mod machine_code;
mod memory;
mod mixed;
mod models;
mod moved_work;
mod nested_twice;
mod nn;
mod npz;
mod numbers;
mod optimizers;
mod padding;
mod polynomials;
mod primitives;
mod profiles;
mod random_graphs;
mod ranges;
mod ranks;
mod readme;
mod recorded_loops;
mod rotations;
mod running;
mod runs;
mod serialized;
mod simplify;
mod sizes;
mod slopes;
mod sparsity;
mod stablehlo;
mod states;
mod sweeps;
mod symbols;
mod text;
mod text_page;
mod threads;
mod train;
mod train_data;
mod train_groups;
mod train_state;
mod training;
mod views;
mod watching;
mod windows;
mod with_derivative;
mod workloads;
