//! The command over messages of GradBench's evaluations, recorded with the outputs that their validators compare with:
//! `recorded/README.md`.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use serde_json::{Value as Json, json};

/// For each evaluation, how far a number may be from what was recorded, relative to the sum of both or 1 (`distance`).
///
/// Most are sums of at most some thousand terms in another order, in f64; the errors of `ba` are differences of numbers a thousand times as
/// large. The gradient of `ode` is recorded of the equation's own solution, from which that of twelve elements in ten steps is 6e-11 away.
/// The outputs of both descents are where they stop, within 1e-5 of the minimum by their own rule, so that there the tolerance of
/// GradBench's validators is kept, which is 1e-4 for all.
const EVALUATIONS: [(&str, f64); 12] = [
    ("hello", 0.0),
    ("gmm", 1e-12),
    ("ba", 1e-10),
    ("ode", 1e-9),
    ("lstm", 1e-12),
    ("ht", 1e-12),
    ("det", 1e-12),
    ("llsq", 1e-12),
    ("lse", 1e-12),
    ("kmeans", 1e-12),
    ("particle", 1e-4),
    ("saddle", 1e-4),
];

/// What the command answers to these messages.
fn responses(arguments: &[&str], messages: &[Json]) -> Vec<Json> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullback-gradbench"));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
    // All messages at once, from a thread of their own: neither pipe can be full for long.
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let responses = String::from_utf8(output.stdout).unwrap();
    let responses: Vec<Json> = responses.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(responses.len(), messages.len());
    for (message, response) in messages.iter().zip(&responses) {
        assert_eq!(message["id"], response["id"]);
    }
    responses
}

fn response(message: Json) -> Json {
    responses(&[], &[message]).remove(0)
}

/// As `comparison.py` of GradBench has it.
fn distance(left: f64, right: f64) -> f64 {
    (left - right).abs() / (left.abs() + right.abs()).max(1.0)
}

fn compare(path: &str, found: &Json, expected: &Json, tolerance: f64) {
    match (found, expected) {
        (Json::Array(found), Json::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{path}");
            for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
                compare(&format!("{path}[{position}]"), found, expected, tolerance);
            }
        }
        (Json::Object(found), Json::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{path}: {:?} are not {:?}", found.keys(), expected.keys());
            for (key, found) in found {
                compare(&format!("{path}.{key}"), found, &expected[key], tolerance);
            }
        }
        (Json::Number(found), Json::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!(distance(found, expected) <= tolerance, "{path}: {found} is not {expected}");
        }
        _ => panic!("{path}: {found} is not of the kind of {expected}"),
    }
}

/// The outputs of an evaluation's recorded messages are what was expected, after as many runs as were asked for.
fn check(name: &str, tolerance: f64, arguments: &[&str]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/{name}.jsonl"));
    let text = fs::read_to_string(file).unwrap();
    let rows: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<Json> = rows.iter().map(|row| row["message"].clone()).collect();
    for (row, response) in rows.iter().zip(responses(arguments, &messages)) {
        let path = format!("{name} {} {}", row["message"]["id"], row["message"]["function"]);
        assert_eq!(response["success"], true, "{path}: {}", response["error"]);
        compare(&path, &response["output"], &row["expected"], tolerance);
        let timings: Vec<&str> =
            response["timings"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        let n_runs = row["message"]["input"]["min_runs"].as_u64().unwrap_or(1) as usize;
        assert_eq!(timings, [&["prepare"], vec!["evaluate"; n_runs].as_slice()].concat(), "{path}");
    }
}

#[test]
fn the_outputs_of_all_twelve_evaluations_are_those_that_their_validators_expect() {
    for (name, tolerance) in EVALUATIONS {
        check(name, tolerance, &[]);
    }
}

#[test]
fn outputs_do_not_depend_on_threads() {
    for (name, tolerance) in EVALUATIONS.into_iter().filter(|(name, _)| ["gmm", "ba", "kmeans"].contains(name)) {
        check(name, tolerance, &["--multithreaded"]);
    }
}

#[test]
fn a_session_names_the_tool_and_tells_modules_that_it_has_not() {
    let messages = [
        json!({ "id": 0, "kind": "start", "eval": "hello" }),
        json!({ "id": 1, "kind": "define", "module": "hello" }),
        json!({ "id": 2, "kind": "define", "module": "weather" }),
        json!({ "id": 3, "kind": "analysis", "of": 1, "valid": true }),
        json!({ "id": 4, "kind": "applause" }),
    ];
    let expected = [
        json!({ "id": 0, "tool": "pullback" }),
        json!({ "id": 1, "success": true }),
        json!({ "id": 2, "success": false, "error": "there is no module \"weather\"" }),
        json!({ "id": 3 }),
        json!({ "id": 4 }),
    ];
    assert_eq!(responses(&[], &messages), expected);
}

#[test]
fn runs_go_on_until_both_minima_hold() {
    let input = json!({ "x": [0.5, 1.5], "min_runs": 3, "min_seconds": 0.05 });
    let response =
        response(json!({ "id": 1, "kind": "evaluate", "module": "lse", "function": "primal", "input": input }));
    let timings = response["timings"].as_array().unwrap();
    let runs = timings.iter().filter(|timing| timing["name"] == "evaluate");
    let times: Vec<u64> = runs.map(|timing| timing["nanoseconds"].as_u64().unwrap()).collect();
    let (last, before) = times.split_last().unwrap();
    let nanoseconds: u64 = before.iter().sum();
    assert!(times.len() >= 3);
    assert!(nanoseconds < 50_000_000 || times.len() == 3, "{} runs took {nanoseconds} ns before the last", times.len());
    assert!(nanoseconds + last >= 50_000_000);
}

#[test]
fn a_mistake_in_an_input_is_told_and_the_session_goes_on() {
    let evaluate = |module: &str, function: &str, input: Json| json!({ "id": 1, "kind": "evaluate", "module": module, "function": function, "input": input });
    let mistakes = [
        (evaluate("hello", "triple", json!(1.0)), "there is no function \"triple\" in the module \"hello\""),
        (json!({ "id": 1, "kind": "evaluate", "module": "hello" }), "a module, a function and an input"),
        (evaluate("hello", "square", json!("one")), "not of the form"),
        (evaluate("llsq", "primal", json!({ "x": [], "n": 4 })), "x is empty"),
        (evaluate("det", "primal", json!({ "A": [1.0, 2.0], "ell": 2 })), "A has 2 where 4 belong"),
        (evaluate("det", "primal", json!({ "A": vec![0.0; 900], "ell": 30 })), "ell is 30"),
        (
            evaluate("kmeans", "cost", json!({ "points": [[1.0], [1.0, 2.0]], "centroids": [[0.0]] })),
            "points has 2 where 1 belong",
        ),
        (
            evaluate(
                "ba",
                "jacobian",
                json!({ "n": 1, "m": 1, "p": 1, "cam": [1.0], "x": [1.0], "w": 1.0, "feat": [1.0] }),
            ),
            "cam has 1",
        ),
    ];
    let mut messages: Vec<Json> = mistakes.iter().map(|(message, _)| message.clone()).collect();
    messages.push(evaluate("hello", "square", json!(3.0)));
    let responses = responses(&[], &messages);
    for ((_, text), response) in mistakes.iter().zip(&responses) {
        assert_eq!(response["success"], false);
        assert!(response["error"].as_str().unwrap().contains(text), "{response}");
    }
    assert_eq!(responses.last().unwrap()["output"], 9.0);
}
