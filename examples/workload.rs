//! Times one workload of docs/reference/performance.md in a process of its own, as the same work is timed in other libraries, and
//! prints one line of JSON.
//!
//! ```text
//! cargo run --release --example workload -- --workload W3 --threads 1 --secs 3
//! ```
//!
//! Which cores it may use is the caller's business (`taskset -c 0`). Exits with 1 if the numbers computed are not those of
//! the other libraries.

#[path = "../benches/workloads/mod.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
mod workloads;

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use clap::Parser;
use pullback::InstructionSet;

use workloads::{ALL, Compiler, Task};

/// Time one workload: the same steps over and over on the same data.
#[derive(Parser)]
struct Arguments {
    /// W1 to W13.
    #[arg(long)]
    workload: String,
    /// Threads that may run a step.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Which vector instructions compute: `portable`, `avx2` or `avx512`, if the machine has them.
    #[arg(long, default_value_t = InstructionSet::widest())]
    instruction_set: InstructionSet,
    /// How long to measure, in seconds, after half a second of warming up.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
    /// Print the plan and the time of each of its steps instead.
    #[arg(long)]
    profile: bool,
    /// Print what a pass of planning leaves instead, such as `fusion groups`.
    #[arg(long)]
    pass: Option<String>,
}

/// Microseconds a step.
struct Times {
    median: f64,
    least: f64,
    steps: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { workload: name, threads, instruction_set, secs, profile, pass } = Arguments::parse();
    let workload = workloads::named(&name).ok_or_else(|| {
        let names = ALL.map(|workload| workload.name).join(", ");
        format!("there is no workload `{name}`, but {names}")
    })?;

    let start = Instant::now();
    let compiled = workload.compile(&Compiler { threads, instruction_set })?;
    let compile = start.elapsed();
    let mut task = workload.feed(compiled)?;
    if profile {
        println!("{}", task.profile(100)?);
        return Ok(());
    }
    if let Some(pass) = pass {
        println!("{}", task.pass(&pass)?);
        return Ok(());
    }
    let start = Instant::now();
    task.step()?;
    let first_step = start.elapsed();

    let check = task.check()?;
    let Times { median, least, steps } = measure(&mut task, secs)?;
    println!(
        "{{\"peer\":\"pullback\",\"workload\":\"{name}\",\"threads\":{threads},\"median_us\":{median:.3},\
         \"min_us\":{least:.3},\"n\":{steps},\"first_call_us\":{:.0},\"compile_us\":{:.0},\"maxrss_mb\":{:.1},\
         \"check\":{check:?}}}",
        micros(compile + first_step),
        micros(compile),
        peak_resident_memory()?
    );
    Ok(workload.verify(&check)?)
}

/// Warms up for half a second (three steps at least, five seconds at most), then takes 30 samples or as many as fit into
/// `secs`, whichever is more, but no longer than four times that: the policy that the other libraries are timed by.
fn measure(task: &mut Task, secs: f64) -> Result<Times, Box<dyn Error>> {
    let start = Instant::now();
    let mut steps = 0;
    while (steps < 3 || start.elapsed().as_secs_f64() < 0.5) && (steps < 2 || start.elapsed().as_secs_f64() < 5.0) {
        task.step()?;
        steps += 1;
    }
    let each = start.elapsed().as_secs_f64() / f64::from(steps);
    // Short steps are timed together, so that the clock does not matter.
    let together = if each < 20e-6 { (100e-6 / each).ceil() as usize } else { 1 };

    let mut samples = Vec::new();
    let start = Instant::now();
    loop {
        let sample = Instant::now();
        for _ in 0..together {
            task.step()?;
        }
        samples.push(micros(sample.elapsed()) / together as f64);
        let elapsed = start.elapsed().as_secs_f64();
        if (samples.len() >= 30 && elapsed >= secs) || elapsed >= 4.0 * secs.max(1.0) {
            break;
        }
    }
    samples.sort_by(f64::total_cmp);
    Ok(Times { median: samples[samples.len() / 2], least: samples[0], steps: samples.len() * together })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The most memory that this process has held at once, in MiB, as Linux tells it; 0 elsewhere.
fn peak_resident_memory() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { return Ok(0.0) };
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024.0)
}
