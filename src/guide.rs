//! The guide, page by page. The same pages are in `docs/guide/`; what they show is compiled and run as doc tests.

/// Builds a graph, compiles a training step and writes the loop by hand.
pub mod first_network {
    #![doc = include_str!("../docs/guide/first-network.md")]
}

/// Gradients, products with Jacobians and Hessians, of any order.
pub mod derivatives {
    #![doc = include_str!("../docs/guide/derivatives.md")]
}

/// Layers as values: convolutions, pools, norms, upsampling, and how weights start.
pub mod layers {
    #![doc = include_str!("../docs/guide/layers.md")]
}

/// A graph for every slice of an array at once: gradients of each example, ensembles, chains, Jacobians.
pub mod batching {
    #![doc = include_str!("../docs/guide/batching.md")]
}

/// Loops, branches and functions as nodes, with derivatives through all of them.
pub mod loops {
    #![doc = include_str!("../docs/guide/loops.md")]
}

/// Layers of sequences: embeddings, positions, attention, decoding with a cache, recurrent layers.
pub mod sequences {
    #![doc = include_str!("../docs/guide/sequences.md")]
}

/// Operations whose value is computed by your code, derivatives that you say, and looking at values.
pub mod custom_operations {
    #![doc = include_str!("../docs/guide/custom-operations.md")]
}

/// Datasets of any kind: columns, files larger than memory, iterators, texts, images; batches, parts, masks.
pub mod data {
    #![doc = include_str!("../docs/guide/data.md")]
}

/// Training with metrics, a validation set, early stopping and checkpoints.
pub mod training {
    #![doc = include_str!("../docs/guide/training.md")]
}

/// Schedules, groups of parameters, clipping, averages of weights, and what a step did.
pub mod optimizers {
    #![doc = include_str!("../docs/guide/optimizers.md")]
}

/// Options of compilation, the plan of a program, and the time of each of its steps.
pub mod running {
    #![doc = include_str!("../docs/guide/running.md")]
}

/// Formats that graphs, programs and arrays are written in and read from, and StableHLO for XLA.
pub mod exchange {
    #![doc = include_str!("../docs/guide/exchange.md")]
}

/// Programs as Rust source that depends on nothing.
pub mod generated_rust {
    #![doc = include_str!("../docs/guide/generated-rust.md")]
}

/// The threads that programs share, and what happens inside of rayon and tokio.
pub mod threads {
    #![doc = include_str!("../docs/guide/threads.md")]
}

/// The command `pullback`, which does to a graph's text in a file what a program does.
pub mod command_line {
    #![doc = include_str!("../docs/guide/command-line.md")]
}

/// Short programs for common needs: freezing, dropout, checkpoints, Hessians, servers.
pub mod recipes {
    #![doc = include_str!("../docs/guide/recipes.md")]
}
