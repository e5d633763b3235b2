//! What the README and the guide show is what a program prints, and as short as they say.

use pullback::{Graph, Initializer, Options, graph::Op};

/// Lines without the places in files, which are the reader's, and without what is behind them.
fn normal(text: &str) -> Vec<String> {
    let word = |word: &str| if word.contains(".rs:") { "SITE".to_owned() } else { word.to_owned() };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ").trim_end().to_owned()).collect()
}

#[test]
fn the_plan_in_the_guide_is_the_one_that_its_program_prints() {
    let page = include_str!("../../docs/guide/running.md");
    let mut blocks = page.split("```text\n").skip(1).filter_map(|block| block.split("```").next());
    let shown = blocks.find(|block| block.contains(" steps, ")).expect("the guide shows a plan");

    let g = Graph::new();
    let x = g.input("x", ("batch", 64));
    let w = g.parameter("w", (64, 128), Initializer::Zeros);
    let b = g.parameter("b", (128,), Initializer::Zeros);
    let slope = g.gradient((x.dot(w) + b).tanh().sum(), w);
    let options = Options { threads: 1, ..Options::default() };
    let program = g.compile_with([("slope", slope)], &options).expect("no mistake");
    let plan = program.show([("batch", 32)]).expect("there is memory");
    assert_eq!(normal(&plan), normal(shown), "{plan}");
}

#[test]
fn the_readme_counts_the_primitives_that_there_are() {
    // What stands for an error, or for an argument of a body, computes nothing.
    let is_primitive = |name: &&str| !["poison", "argument"].contains(name);
    let n_primitives = Op::names().into_iter().filter(is_primitive).count();
    assert!(
        include_str!("../../README.md").contains(&format!("| primitives | {n_primitives}, from ")),
        "{n_primitives}"
    );
}

/// Whole programs, imports counted, each line one that rustfmt would leave as it is.
#[test]
fn the_programs_of_ten_lines_in_the_readme_have_ten_lines() {
    let (_, section) = include_str!("../../README.md").split_once("## Ten lines").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next one");
    let programs: Vec<&str> = section.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(programs.len(), 2);
    for program in programs {
        assert!(program.contains("fn main()"), "{program}");
        assert!(program.lines().count() <= 10, "{program}");
        assert!(program.lines().all(|line| line.chars().count() <= 120), "{program}");
    }
}
