//! Imports point left or up the road of the data: the list of edges between folders that are allowed, and no other.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// For each folder (or file of the root) of src, what it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cancel", &[]),
    ("functions", &[]),
    ("guide", &[]),
    ("graph", &["functions", "names"]),
    ("names", &[]),
    ("memory", &[]),
    ("numbers", &[]),
    ("pool", &["sync"]),
    ("sync", &[]),
    ("vectorize", &[]),
    ("ops", &["cancel", "functions", "graph"]),
    ("text", &["graph", "names", "ops"]),
    ("autodiff", &["graph", "ops", "simplify"]),
    ("batching", &["graph", "ops"]),
    ("implicit", &["graph", "ops"]),
    ("jacobian", &["autodiff", "batching", "graph", "ops"]),
    ("sparsity", &["autodiff", "batching", "compile", "graph", "ops", "parameters", "program", "simplify"]),
    ("simplify", &["graph", "ops"]),
    ("nn", &["graph", "numbers", "ops"]),
    ("densities", &["graph", "nn", "ops"]),
    ("lie", &["graph", "nn", "ops"]),
    ("parameters", &["graph", "memory", "names", "numbers", "vectorize"]),
    ("optim", &["graph", "names", "numbers", "parameters", "pool", "vectorize"]),
    ("data", &["graph", "names", "numbers", "program"]),
    ("risk", &["numbers"]),
    ("program", &["cancel", "graph", "memory", "names", "ops", "parameters", "simplify"]),
    ("reference", &["cancel", "graph", "memory", "ops", "program"]),
    ("check", &["graph", "names", "ops", "program", "reference"]),
    ("plan", &["graph", "ops"]),
    (
        "runtime",
        &["cancel", "functions", "graph", "memory", "ops", "plan", "pool", "program", "reference", "vectorize"],
    ),
    ("io", &["graph", "names", "ops", "parameters", "program"]),
    (
        "train",
        &["compile", "data", "graph", "io", "names", "numbers", "optim", "parameters", "program", "risk", "simplify"],
    ),
    ("view", &["graph", "io", "numbers", "parameters", "program", "risk", "simplify", "train"]),
    ("landscape", &["compile", "graph", "numbers", "ops", "parameters", "program", "simplify"]),
    ("codegen", &["graph", "io", "parameters", "plan", "program"]),
    ("precompute", &["graph", "memory", "plan", "program", "runtime"]),
    (
        "compile",
        &[
            "cancel",
            "graph",
            "names",
            "parameters",
            "plan",
            "pool",
            "precompute",
            "program",
            "reference",
            "runtime",
            "simplify",
        ],
    ),
];

/// What tests beside the code may import on top of that.
const ALLOWED_IN_TESTS: &[&str] = &["check", "graph", "nn", "reference"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("src is there").map(|entry| entry.expect("src is readable").path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).chain(below).collect()
}

/// The names after each `crate::`, those in braces among them; comments and doc tests do not count.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices("crate::").filter(|(start, _)| !code[..*start].ends_with("pullback::")) {
        let rest = &code[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.extend(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut is_start = true;
                for (position, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => is_start = true,
                        c if depth == 0 && is_start && c.is_alphabetic() => {
                            names.extend(word(&group[position..]));
                            is_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    word.starts_with(|c: char| c.is_lowercase()).then_some(word)
}

#[test]
fn folders_import_only_what_they_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).expect("below src");
        let place = inside.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        if place == "lib" {
            continue;
        }
        let (_, allowed) =
            ALLOWED.iter().find(|(folder, _)| *folder == place).unwrap_or_else(|| panic!("{place} is not listed"));
        for import in imports(&fs::read_to_string(&file).expect("readable")) {
            let is_test = inside.iter().any(|part| part == "tests.rs" || part == "tests");
            let is_allowed = allowed.contains(&import.as_str());
            let is_for_tests = is_test && ALLOWED_IN_TESTS.contains(&import.as_str());
            if import != place && !is_allowed && !is_for_tests {
                broken.push(format!("{} imports {import}", inside.display()));
            }
        }
    }
    assert!(broken.is_empty(), "edges that are not allowed:\n{}", broken.join("\n"));
}

/// The test itself finds what it looks for.
#[test]
fn imports_are_found() {
    let source = "use crate::{graph::{Expr, Graph}, ops};\n// crate::plan\nlet x = crate::names::nearest();";
    let found: Vec<String> = imports(source).into_iter().collect();
    assert_eq!(found, ["graph", "names", "ops"]);
}

#[test]
fn petgraph_is_known_to_one_file() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let knows = |file: &PathBuf| fs::read_to_string(file).expect("readable").contains("use petgraph");
    let files: Vec<PathBuf> = sources(&src).into_iter().filter(knows).collect();
    assert_eq!(files, [src.join("graph/storage.rs")]);
}

#[test]
fn every_file_says_what_it_does() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent: Vec<PathBuf> = sources(&src)
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("readable").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "files that do not open with //!: {silent:?}");
}
