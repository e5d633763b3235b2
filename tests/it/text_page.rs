//! docs/reference/text.md: its examples are graphs, and its tables are those of the code.

use std::collections::{BTreeMap, BTreeSet};

use pullback::{Graph, graph::Op, ops, text::Parser};

const PAGE: &str = include_str!("../../docs/reference/text.md");

/// The graphs of the page.
fn graphs() -> Vec<&'static str> {
    PAGE.split("```graph\n").skip(1).filter_map(|block| block.split("```").next()).collect()
}

#[test]
fn the_graphs_of_the_page_are_read_compiled_and_printed_as_they_stand() {
    assert!(graphs().len() >= 9, "{} graphs", graphs().len());
    for text in graphs() {
        let parsed = Parser::new().parse_all(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        assert_eq!(ops::verify(&parsed.graph), Ok(()), "{text}");
        parsed.graph.compile(parsed.results()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let printed = parsed.to_text();
        assert_eq!(printed.trim_start_matches("format 1\n"), text.trim_start_matches("format 1\n"));
    }
}

/// Each rule of the grammar is used by another or begins it, and what it names is a rule.
#[test]
fn the_grammar_is_whole() {
    let grammar = PAGE.split("```ebnf\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there is one");
    let rules: BTreeMap<&str, &str> = grammar.lines().filter_map(|line| line.split_once('=')).collect();
    let rules: BTreeMap<&str, &str> = rules.iter().map(|(name, rule)| (name.trim(), *rule)).collect();
    // What a quoted token leaves between its quotes is no name of a rule.
    let named = |rule: &&str| -> Vec<String> {
        let unquoted: String = rule.split('"').step_by(2).collect();
        let words = unquoted.split(|c: char| !c.is_alphabetic() && c != '-').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let used: BTreeSet<String> = rules.values().flat_map(named).collect();
    let explained = ["digits", "integer", "string", "number", "letter", "letter-or-digit"];
    for name in &used {
        assert!(rules.contains_key(name.as_str()) || explained.contains(&name.as_str()), "`{name}` is no rule");
    }
    let unused: Vec<_> = rules.keys().filter(|name| !used.contains(**name)).collect();
    assert_eq!(unused, [&"graph"]);
}

/// The rows of the tables: operands and attributes of an operation.
fn rows() -> BTreeMap<&'static str, (&'static str, BTreeSet<&'static str>)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let name = cells[0].trim_start_matches("| `").trim_end_matches('`');
        let attributes = cells[2].split('`').filter(|word| word.ends_with('=')).collect();
        (name, (cells[1], attributes))
    })
    .collect()
}

#[test]
fn the_page_lists_every_operation_and_no_other() {
    let (listed, known) = (rows(), Op::names());
    let missing: Vec<_> = known.iter().filter(|name| !listed.contains_key(**name)).collect();
    let unknown: Vec<_> = listed.keys().filter(|name| !known.contains(name)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; no operations: {unknown:?}");
    let n_rows = PAGE.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(n_rows, listed.len(), "a row is there twice");
}

/// By the samples of every operation: what is printed has the attributes and as many operands as its row says.
#[test]
fn the_page_tells_operands_and_attributes() {
    let rows = rows();
    for sample in ops::samples() {
        let g = Graph::new();
        let operands: Vec<_> = sample
            .operands
            .iter()
            .enumerate()
            .map(|(k, value)| g.input_of(value.dtype(), &format!("x{k}"), value.shape()))
            .collect();
        let text = g.to_text(g.apply_op(sample.op.clone(), &operands));
        let name = sample.op.name();
        let line = text.lines().rfind(|line| line.starts_with('%')).expect("a node");
        let keys = line.split(" = ").nth(1).unwrap_or_default().split('=').map(|before| before.rsplit(' ').next());
        let keys: Vec<String> = keys.map(|key| format!("{}=", key.unwrap_or_default())).collect();
        // What is behind the last `=` is a value.
        let attributes: BTreeSet<&str> = keys[..keys.len() - 1].iter().map(String::as_str).collect();
        assert_eq!(attributes, rows[name].1, "{name}: {line}");
        let (n_operands, said) = (operands.len(), rows[name].0);
        let fits = match said {
            "any" => true,
            "1 or more" => n_operands >= 1,
            number => number.parse() == Ok(n_operands),
        };
        assert!(fits, "{name} has {n_operands} operands, and its row says {said}");
    }
}
