//! What is fuzzed, apart from what drives it: each target takes bytes from anywhere, and panics if the library breaks a
//! promise. libFuzzer's targets and the plain driver `mutate` both call these.

pub mod pipeline;
pub mod readers;
pub mod text;

use readers::READERS;

/// Something that takes bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Panics if a promise is broken; tells whether the bytes were good to the end.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Whether inputs are texts of graphs, which are then also mutated word by word.
    pub is_text: bool,
}

/// Everything that is fuzzed.
pub fn targets() -> Vec<Target> {
    let graphs = [
        Target { name: "text", run: text::run, seeds: text::seeds, is_text: true },
        Target { name: "pipeline", run: pipeline::run, seeds: text::seeds, is_text: true },
    ];
    READERS.iter().copied().chain(graphs).collect()
}
