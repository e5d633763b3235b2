//! A plain driver for stable Rust: mutates seeds and calls every target for so many seconds or inputs.
//!
//! ```text
//! cargo run --release --manifest-path fuzz/Cargo.toml --bin mutate -- [TARGET …] [--seconds N] [--inputs N] [--seed N] [--from N]
//! ```
//!
//! Input `k` of a target depends on `--seed` and `k` alone, so `--from K --inputs 1` repeats it. One that panics is
//! printed and counted; one that takes ten seconds ends the process, and so does one that is ended by the system: the last
//! line then tells from where to repeat.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use pullback::graph::Op;
use pullback_fuzz::{Target, targets};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers at the ends of what types hold.
const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "7",
    "64",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "-9223372036854775808",
    "1e400",
];
const WORDS: [&str; 12] = ["f32", "f64", "i64", "bool", "n", "2*n", "n^2", "n - 1", "[]", "[0]", "[0, 1]", "%0"];
const SLOWEST: Duration = Duration::from_secs(10);

struct Arguments {
    names: Vec<String>,
    seconds: f64,
    inputs: u64,
    seed: u64,
    from: u64,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { names: Vec::new(), seconds: f64::INFINITY, inputs: u64::MAX, seed: 0, from: 0 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number =
            || words.next().and_then(|text| text.parse::<f64>().ok()).ok_or(format!("{word} needs a number"));
        match word.as_str() {
            "--seconds" => arguments.seconds = number()?,
            "--inputs" => arguments.inputs = number()? as u64,
            "--seed" => arguments.seed = number()? as u64,
            "--from" => arguments.from = number()? as u64,
            _ => arguments.names.push(word),
        }
    }
    if arguments.seconds.is_infinite() && arguments.inputs == u64::MAX {
        arguments.seconds = 10.0;
    }
    Ok(arguments)
}

/// What is run now, since when.
type Watched = Arc<Mutex<Option<(Instant, String)>>>;

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::from(2);
        }
    };
    let all = targets();
    let is_chosen =
        |target: &&Target| arguments.names.is_empty() || arguments.names.iter().any(|name| name == target.name);
    let chosen: Vec<&Target> = all.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        eprintln!("no such target; there are {}", all.iter().map(|target| target.name).collect::<Vec<_>>().join(", "));
        return ExitCode::from(2);
    }
    let watched: Watched = Arc::default();
    watch(Arc::clone(&watched));
    let n_targets = chosen.len() as f64;
    let n_failed: u64 = chosen.iter().map(|target| drive(target, &arguments, n_targets, &watched)).sum();
    if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends the process when one input takes too long.
fn watch(watched: Watched) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            let watched = watched.lock().expect("nobody panics with the lock");
            if let Some((start, label)) = watched.as_ref().filter(|(start, _)| start.elapsed() > SLOWEST) {
                eprintln!("{label} has taken {:?}", start.elapsed());
                std::process::exit(3);
            }
        }
    });
}

fn drive(target: &Target, arguments: &Arguments, n_targets: f64, watched: &Watched) -> u64 {
    let seeds = (target.seeds)();
    let (start, mut told) = (Instant::now(), Instant::now());
    let (mut n_failed, mut n_run, mut n_good) = (0u64, 0u64, 0u64);
    let most = Duration::try_from_secs_f64(arguments.seconds / n_targets).unwrap_or(Duration::MAX);
    for k in arguments.from..arguments.from.saturating_add(arguments.inputs) {
        if n_run % 64 == 0 {
            // Clocks and locks cost more than a short input.
            if start.elapsed() > most {
                break;
            }
            let label = format!("{} --seed {} --from {k} --inputs 64", target.name, arguments.seed);
            if told.elapsed() > Duration::from_secs(5) {
                eprintln!("{label}");
                told = Instant::now();
            }
            *watched.lock().expect("nobody panics with the lock") = Some((Instant::now(), label));
        }
        n_run += 1;
        let input = input(target, &seeds, arguments.seed, k);
        match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
            Ok(is_good) => n_good += u64::from(is_good),
            Err(_) => {
                n_failed += 1;
                let shown = String::from_utf8_lossy(&input);
                eprintln!("{} --seed {} --from {k} --inputs 1 panics: {shown:?}", target.name, arguments.seed);
            }
        }
    }
    *watched.lock().expect("nobody panics with the lock") = None;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: {n_run} inputs, {n_good} good to the end, {n_failed} failed, {seconds:.1} s", target.name);
    n_failed
}

/// Input `k`: the seeds themselves first, then mutants.
fn input(target: &Target, seeds: &[Vec<u8>], seed: u64, k: u64) -> Vec<u8> {
    if let Some(seed) = usize::try_from(k).ok().and_then(|k| seeds.get(k)) {
        return seed.clone();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ k.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut input = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=4) {
        input = if target.is_text && rng.random_range(0..8) > 0 {
            mutate_words(&input, seeds, &mut rng)
        } else {
            mutate_bytes(input, &mut rng)
        };
    }
    input
}

/// Bytes set, left out, put in, repeated or flipped.
fn mutate_bytes(mut input: Vec<u8>, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let position = rng.random_range(0..=input.len());
    let end = (position + rng.random_range(1..=8)).min(input.len());
    match rng.random_range(0..5) {
        0 => input[position..end].fill_with(|| rng.random()),
        1 => drop(input.drain(position..end)),
        2 => input.insert(position, rng.random()),
        3 => input.extend_from_within(position..end),
        _ => input[position..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
    }
    input
}

/// One word of a graph's text replaced by another of its kind, wherever it stands on that line or everywhere; or a line of
/// another text.
fn mutate_words(input: &[u8], seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(input).into_owned();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return input.to_vec();
    }
    let word = words[rng.random_range(0..words.len())];
    let names = Op::names();
    let other = match word.parse::<i128>() {
        Ok(number) if rng.random() => (number + rng.random_range(-2..3)).to_string(),
        Ok(_) => NUMBERS[rng.random_range(0..NUMBERS.len())].to_string(),
        Err(_) if names.contains(&word) => names[rng.random_range(0..names.len())].to_string(),
        Err(_) if rng.random() => WORDS[rng.random_range(0..WORDS.len())].to_string(),
        Err(_) => words[rng.random_range(0..words.len())].to_string(),
    };
    let lines: Vec<&str> = text.lines().collect();
    let line = rng.random_range(0..lines.len());
    let changed: Vec<String> = match rng.random_range(0..4) {
        // The same size or type everywhere: what follows from it is then right again.
        0 | 1 => lines.iter().map(|line| line.replace(word, &other)).collect(),
        2 => lines
            .iter()
            .enumerate()
            .map(|(k, text)| if k == line { text.replacen(word, &other, 1) } else { text.to_string() })
            .collect(),
        _ => {
            let donor = String::from_utf8_lossy(&seeds[rng.random_range(0..seeds.len())]).into_owned();
            let donated: Vec<&str> = donor.lines().collect();
            let mut lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
            lines[line] = donated[rng.random_range(0..donated.len())].to_string();
            lines
        }
    };
    changed.join("\n").into_bytes()
}
