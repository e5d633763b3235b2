//! Programs written as Rust: compiled by the compiler that builds these tests, run, and compared with the reference evaluator and with
//! compiled programs.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use pullback::{
    CodeError, CodeOptions, DType, Evaluation, Expr, Graph, MathProvider, Options, Outputs, Program, RustModule, Value,
    check::random_graph, range,
};

use super::{
    compiled::{applied, bits, distance, named, narrow},
    primitives::chosen_samples,
};

/// A program that was written as a function, with what it is fed.
struct Case {
    label: String,
    source: String,
    fed: Vec<Value>,
    /// Dtypes and shapes of the outputs.
    outputs: Vec<(DType, Vec<usize>)>,
    /// What a run of the reference gives.
    want: Outputs,
    tolerance: f64,
}

const FUNCTION: &str = "generated";

fn options(max_unrolled: usize) -> CodeOptions {
    CodeOptions { max_unrolled, ..CodeOptions::new(FUNCTION) }
}

/// A case for results of a graph whose inputs are all fed; `None` with the reason if it cannot be written.
fn case(
    label: &str,
    results: &[(String, Expr<'_>)],
    fed: &[(String, Value)],
    (max_unrolled, tolerance): (usize, f64),
) -> Result<Case, CodeError> {
    let g = results[0].1.graph();
    let program = g.compile(results.to_vec()).expect("the graph has no mistake");
    let reference = Options { evaluation: Evaluation::Reference, ..Options::default() };
    let mut reference = g.compile_with(results.to_vec(), &reference).expect("the graph has no mistake");
    let want = reference.call(fed).expect("the reference runs");
    let mut module = RustModule::new(MathProvider::Libm);
    module.add(&program, &options(max_unrolled))?;
    let find = |name: &str| fed.iter().find(|(known, _)| known == name).expect("every input is fed").1.clone();
    let fed = program.inputs().map(|(name, _)| find(name)).collect();
    let outputs = want.iter().map(|(_, value)| (value.dtype(), value.shape().to_vec())).collect();
    Ok(Case { label: label.to_owned(), source: module.source()?, fed, outputs, want, tolerance })
}

/// A number as Rust that has the same bits.
fn exact(value: &Value) -> Vec<String> {
    match value {
        Value::F32(array) => array.iter().map(|x| format!("f32::from_bits({})", x.to_bits())).collect(),
        Value::F64(array) => array.iter().map(|x| format!("f64::from_bits({})", x.to_bits())).collect(),
        Value::I64(array) => array.iter().map(|x| format!("{x}i64")).collect(),
        Value::Bool(array) => array.iter().map(bool::to_string).collect(),
    }
}

/// A program that calls the function of each case and prints the bits of its outputs.
fn driver(cases: &[Case]) -> String {
    let mut text =
        String::from("#![allow(dead_code)]\n#![deny(unused_must_use, unused_mut, unused_variables, unused_parens)]\n");
    let mut main = String::new();
    for (number, case) in cases.iter().enumerate() {
        let source = case.source.replace("libm::", "crate::c::");
        let _ = writeln!(text, "mod case_{number} {{\n{source}\n}}");
        let _ = writeln!(main, "    case_{number}_run();");
        let _ = writeln!(text, "fn case_{number}_run() {{\n    use case_{number}::*;");
        let arguments = declare_arguments(case, &mut text);
        let is_generic = case.source.contains(&format!("pub fn {FUNCTION}<M: Math>("));
        let generic = if is_generic { "::<Libm>" } else { "" };
        let unwrap = if case.source.contains(" -> Result<(), Fault>") { ".unwrap()" } else { "" };
        let _ = writeln!(text, "    {FUNCTION}{generic}({}){unwrap};", arguments.join(", "));
        print_outputs(case, &mut text);
        let _ = writeln!(text, "}}");
    }
    let _ = writeln!(text, "fn main() {{\n{main}}}\n{C}");
    text
}

/// Writes what a function is fed and gives; gives the arguments of a call.
fn declare_arguments(case: &Case, text: &mut String) -> Vec<String> {
    let mut arguments = Vec::new();
    for (position, value) in case.fed.iter().enumerate() {
        let elements = exact(value);
        if value.shape().is_empty() {
            arguments.push(elements[0].clone());
            continue;
        }
        let (dtype, len) = (value.dtype(), elements.len());
        let _ = writeln!(text, "    let x{position}: [{dtype}; {len}] = [{}];", elements.join(", "));
        arguments.push(format!("&x{position}"));
    }
    for (position, (dtype, shape)) in case.outputs.iter().enumerate() {
        // What is not written is seen.
        let seven = match dtype {
            DType::Bool => "true",
            DType::I64 => "7",
            DType::F32 | DType::F64 => "7.0",
        };
        let len: usize = shape.iter().product();
        let _ = if shape.is_empty() {
            writeln!(text, "    let mut y{position}: {dtype} = {seven};")
        } else {
            writeln!(text, "    let mut y{position}: [{dtype}; {len}] = [{seven}; {len}];")
        };
        arguments.push(format!("&mut y{position}"));
    }
    if case.source.contains("Workspace {") {
        let _ = writeln!(text, "    let mut work = Box::new(GeneratedWorkspace::new());");
        arguments.push("&mut work".to_owned());
    }
    arguments
}

fn print_outputs(case: &Case, text: &mut String) {
    for (position, (dtype, shape)) in case.outputs.iter().enumerate() {
        let element = match dtype {
            DType::F32 => "u64::from(y.to_bits())",
            DType::F64 => "y.to_bits()",
            DType::I64 => "*y as u64",
            DType::Bool => "u64::from(*y)",
        };
        let array = if shape.is_empty() { format!("[y{position}]") } else { format!("y{position}") };
        let _ = writeln!(text, "    for y in {array}.iter() {{ print!(\"{{}} \", {element}); }}\n    println!();");
    }
}

/// The functions of C, which this binary's libm crate has too: those of the system.
const C: &str = include_str!("codegen/c.rs");

fn value_of(dtype: DType, shape: &[usize], bits: &[u64]) -> Value {
    use ndarray::{ArrayD, IxDyn};
    fn array<T>(shape: &[usize], elements: Vec<T>) -> ArrayD<T> {
        ArrayD::from_shape_vec(IxDyn(shape), elements).expect("as many as printed")
    }
    match dtype {
        DType::F32 => Value::F32(array(shape, bits.iter().map(|bits| f32::from_bits(*bits as u32)).collect())),
        DType::F64 => Value::F64(array(shape, bits.iter().map(|bits| f64::from_bits(*bits)).collect())),
        DType::I64 => Value::I64(array(shape, bits.iter().map(|bits| *bits as i64).collect())),
        DType::Bool => Value::Bool(array(shape, bits.iter().map(|bits| *bits != 0).collect())),
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codegen").join(name);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

fn compile(source: &Path, arguments: &[&str]) {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let done = Command::new(rustc)
        .args(["--edition", "2024"])
        .args(arguments)
        .arg(source)
        .output()
        .expect("the compiler that builds the tests is there");
    assert!(done.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&done.stderr));
}

/// Compiles and runs all cases in one program; gives the outputs of each.
fn run(name: &str, cases: &[Case]) -> Vec<Vec<Value>> {
    let folder = folder(name);
    let (source, binary) = (folder.join("main.rs"), folder.join("main"));
    std::fs::write(&source, driver(cases)).expect("the folder is writable");
    compile(&source, &["-C", "opt-level=1", "-o", binary.to_str().expect("a path in UTF-8")]);
    let done = Command::new(&binary).output().expect("it was just made");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("digits");
    let mut lines = text.lines();
    let outputs = |case: &Case| {
        let output = |(dtype, shape): &(DType, Vec<usize>)| {
            let line = lines.next().expect("a line for each output");
            let bits: Vec<u64> = line.split_whitespace().map(|bits| bits.parse().expect("a number")).collect();
            value_of(*dtype, shape, &bits)
        };
        case.outputs.iter().map(output).collect()
    };
    cases.iter().map(outputs).collect()
}

fn assert_like_reference(name: &str, cases: &[Case]) {
    let mut failures = Vec::new();
    for (case, got) in cases.iter().zip(run(name, cases)) {
        for ((output, want), got) in case.want.iter().zip(&got) {
            let distance = distance(got, want);
            if distance > case.tolerance {
                failures.push(format!("{}: {output} is off by {distance:e}: {got:?}, not {want:?}", case.label));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// What has no form in Rust yet; the same list is in docs/guide/generated-rust.md.
const REFUSED: &[&str] = &[
    "argsort",
    "cumulative_argmax",
    "cumulative_argmin",
    "search_sorted",
    "random_bits",
    "qr",
    "eigh",
    "eigvalsh",
    "svd",
    "svdvals",
    "fft",
    "erf_inv",
    "polygamma",
    "stumpff",
];

#[test]
fn every_primitive_computes_what_its_reference_does_or_is_on_the_list() {
    let (mut cases, mut refused, mut written) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for sample in chosen_samples() {
        let label = format!("{:?} of {:?}", sample.op, sample.operands);
        let narrow = narrow(&sample.operands);
        let forms = [(sample.operands.clone(), 512, 1e-13), (sample.operands.clone(), 0, 1e-13), (narrow, 512, 2e-6)];
        for (operands, max_unrolled, tolerance) in forms {
            let g = Graph::new();
            let Some(result) = applied(&g, &sample, &operands) else { continue };
            let fed = named(&operands);
            match case(&label, &[("y".into(), result)], &fed, (max_unrolled, tolerance)) {
                Ok(case) => {
                    // Nothing is written for an array without elements.
                    if case.outputs.iter().any(|(_, shape)| !shape.contains(&0)) {
                        written.insert(sample.op.name());
                    }
                    // One step has one form, whatever may be written out.
                    let is_new = |known: &Case| known.label != case.label || known.source != case.source;
                    if cases.last().is_none_or(is_new) {
                        cases.push(case);
                    }
                }
                Err(CodeError::Operation { .. }) => {
                    refused.insert(sample.op.name());
                }
                Err(error) => panic!("{label}: {error}"),
            }
        }
    }
    if std::env::var("PRIMITIVE").is_err() {
        let refused: Vec<&str> = refused.difference(&written).copied().collect();
        let mut listed = REFUSED.to_vec();
        listed.sort_unstable();
        assert_eq!(refused, listed);
    }
    assert_like_reference("primitives", &cases);
}

#[test]
fn random_graphs_and_their_derivatives_compute_what_the_reference_does() {
    let (mut cases, mut n_refused) = (Vec::new(), 0);
    for seed in 0..60 {
        let random = random_graph(seed, 4 + (seed as usize) % 12);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
        let name = |input: &Expr<'_>| input.name().expect("an input has a name");
        let fed: Vec<(String, Value)> = inputs.iter().map(name).zip(random.values.clone()).collect();
        let loss = g.expr(random.result);
        let mut results = vec![("loss".to_string(), loss)];
        for (input, gradient) in inputs.iter().zip(g.gradients(loss, &inputs)) {
            results.push((format!("gradient of {}", name(input)), gradient));
        }
        for max_unrolled in [0, 512] {
            match case(&format!("seed {seed}, {max_unrolled}"), &results, &fed, (max_unrolled, 1e-10)) {
                Ok(case) => cases.push(case),
                Err(CodeError::Operation { .. }) => n_refused += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
    assert!(n_refused * 4 < cases.len(), "{n_refused} graphs cannot be written, {} can", cases.len());
    assert_like_reference("random", &cases);
}

/// A chain of +, −, ×, ÷ and √ that follows from a seed.
fn arithmetic<'g>(g: &'g Graph, dtype: DType, seed: u64) -> Expr<'g> {
    let n = 1 + (seed % 3) * 20;
    let mut values =
        vec![g.input_of(dtype, "x", (n as usize,)), g.input_of(dtype, "y", (n as usize,)), g.input_of(dtype, "s", ())];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    for _ in 0..12 {
        let (a, b) = (values[next(values.len())], values[next(values.len())]);
        values.push(match next(6) {
            0 => a + b,
            1 => a - b,
            2 => a * b,
            3 => a / b,
            4 => a.abs().sqrt() - b,
            _ => a * 1.25 - b,
        });
    }
    values.pop().expect("there are values")
}

#[test]
fn arithmetic_has_the_bits_of_a_run() {
    let (mut cases, mut want) = (Vec::new(), Vec::new());
    for (seed, dtype) in (0..40).flat_map(|seed| [(seed, DType::F64), (seed, DType::F32)]) {
        let g = Graph::new();
        let result = arithmetic(&g, dtype, seed);
        let n = 1 + (seed as usize % 3) * 20;
        let numbers = |shift: f64| ndarray::Array1::from_shape_fn(n, |i| ((i as f64 + shift) * 0.7310585).sin() * 3.0);
        let (x, y) = (numbers(1.0 + seed as f64), numbers(0.3));
        let fed: Vec<(String, Value)> = match dtype {
            DType::F64 => vec![("x".into(), x.into()), ("y".into(), y.into()), ("s".into(), 1.7f64.into())],
            _ => {
                let [x, y] = [x, y].map(|array| array.mapv(|x| x as f32));
                vec![("x".into(), x.into()), ("y".into(), y.into()), ("s".into(), 1.7f32.into())]
            }
        };
        let mut program = g.compile(result).expect("the graph has no mistake");
        for max_unrolled in [0, 100_000] {
            let results = [("result".to_owned(), result)];
            cases.push(case(&format!("seed {seed}"), &results, &fed, (max_unrolled, 0.0)).expect("it can be written"));
            want.push(bits(&program.call(&fed[..]).expect("fed as declared")));
        }
    }
    for ((case, want), got) in cases.iter().zip(want).zip(run("arithmetic", &cases)) {
        let got = match &got[0] {
            Value::F32(array) => array.iter().map(|x| u64::from(x.to_bits())).collect::<Vec<_>>(),
            Value::F64(array) => array.iter().map(|x| x.to_bits()).collect(),
            other => panic!("{other:?} is no float"),
        };
        assert_eq!(got, want[0], "{}\n{}", case.label, case.source);
    }
}

/// A program with every kind of step: fused loops with reductions along rows and columns, paddings, products, loops with and without a
/// known length, branches, factorizations, gathers and windows.
fn every_kind_of_step() -> Program {
    let g = Graph::new();
    let (x, w) = (g.input_of(DType::F64, "x", (40, 60)), g.input_of(DType::F64, "w", (60, 24)));
    let (a, index) = (g.input_of(DType::F64, "a", (12, 12)), g.input_of(DType::I64, "index", (70,)));
    let hidden = x.dot(w).tanh().softmax(-1);
    let spd = a.dot(a.t()) + 30.0 * g.eye(12, DType::F64);
    let solved = spd.cholesky().sum() + spd.solve(a).sum();
    let (last, _) = g.scan(hidden.sum_over(0), hidden, |h, row| ((h * row).sin() + 0.1 * h, h.sum()));
    let grown = g.while_loop_bounded(solved, 50, |v| v.abs().less(1e3), |v| v * 1.5 + 1.0);
    let chosen = g.cond(grown.greater(0.0), || last.square().sum(), || last.sum());
    let picked = x.gather(index, 0).slice(range(3, 60)).pad([(1, 2), (0, 3)], 0.0).sum_over(0);
    let loss = chosen + grown + picked.square().sum() + hidden.cumulative_sum(1).sum();
    let gradients = g.gradients(loss, &[x, w, a]);
    g.compile([("loss", loss), ("of x", gradients[0]), ("of w", gradients[1]), ("of a", gradients[2])])
        .expect("the graph has no mistake")
}

#[test]
fn an_optimized_object_has_no_panic_and_needs_no_standard_library() {
    let mut module = RustModule::new(MathProvider::None);
    module.add(&every_kind_of_step(), &options(512)).expect("it can be written");
    let source = module.source().expect("nobody is asked for functions");
    let folder = folder("no_panic");
    let file = folder.join("lib.rs");
    let names: BTreeSet<&str> = source
        .lines()
        .skip_while(|line| !line.starts_with("pub trait Math"))
        .take_while(|line| *line != "}")
        .filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next())
        .collect();
    let mut text =
        format!("#![no_std]\n#![forbid(unsafe_code)]\n{}\npub struct Zero;\nimpl Math for Zero {{\n", source);
    for name in names {
        let operands = if ["pow", "atan2", "hypot", "fmod"].contains(&name) { "x: f64, _: f64" } else { "x: f64" };
        let _ = writeln!(text, "    #[inline(never)]\n    fn {name}({operands}) -> f64 {{ x }}");
    }
    text += "}\npub use generated as function;\n";
    let call = source
        .split("pub fn generated<M: Math>(")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .expect("it is generic");
    let arguments: Vec<&str> = call.split(',').map(str::trim).filter(|argument| !argument.is_empty()).collect();
    let names: Vec<&str> = arguments.iter().filter_map(|argument| argument.split(':').next()).collect();
    let _ = writeln!(
        text,
        "#[inline(never)]\npub extern \"C\" fn entry({}) -> bool {{ generated::<Zero>({}).is_ok() }}",
        arguments.join(", "),
        names.join(", ")
    );
    std::fs::write(&file, text).expect("the folder is writable");
    let object = folder.join("lib.o");
    let path = object.to_str().expect("a path in UTF-8");
    compile(&file, &["--crate-type", "lib", "--emit", "obj", "-C", "opt-level=3", "-C", "panic=abort", "-o", path]);
    let bytes = std::fs::read(&object).expect("it was just made");
    let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    assert!(has(b"entry"), "the function is in the object");
    assert!(!has(b"panic") && !has(b"unwrap_failed"), "the object calls what panics");
    assert!(!has(b"alloc"), "the object allocates");
}

#[test]
fn the_bound_of_loops_is_that_of_the_program() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let doubled = g.while_loop(x, |x| x.less(100.0), |x| x * 2.0);
    let limits = Options { max_iterations: 7, ..Options::default() };
    let program = g.compile_with([("y", doubled)], &limits).expect("no mistake");
    let source = program.to_rust(&options(512)).expect("it can be written");
    assert!(source.contains("TooManyIterations { bound: 7,"), "{source}");
}

#[test]
fn what_cannot_be_written_is_told_with_its_line() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3, 3));
    let program = g.compile([("y", x.qr().r)]).expect("the graph has no mistake");
    let error = program.to_rust(&CodeOptions::new("f")).unwrap_err();
    assert!(error.to_string().contains("tests/it/codegen.rs:"), "{error}");
    let errors = [
        program.to_rust(&CodeOptions::new("2f")).unwrap_err(),
        program.to_rust(&CodeOptions::new("fn")).unwrap_err(),
        g.compile(g.input_of(DType::F64, "z", ("n",)).sum())
            .expect("no mistake")
            .to_rust(&CodeOptions::new("f"))
            .unwrap_err(),
        g.compile(x.erf()).expect("no mistake").to_rust(&CodeOptions::new("f")).unwrap_err(),
    ];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"));
}

#[test]
fn names_that_mean_something_in_the_file_and_names_that_are_equal_in_rust_are_told_apart() {
    let g = Graph::new();
    let names = ["at", "fn", "Fn", "a.b", "a_b", "t0", "put", "relu", "maximum", "späße", "_x", "x9"];
    let inputs = names.map(|name| g.input_of(DType::F64, name, (40,)));
    let sum = inputs.into_iter().reduce(|sum, input| sum + input.relu().maximum(0.5)).expect("there are names");
    let fed: Vec<(String, Value)> =
        names.iter().map(|name| (name.to_string(), ndarray::Array1::from_elem(40, 0.75).into())).collect();
    let case = case("names", &[("at".into(), sum)], &fed, (0, 1e-14)).expect("it can be written");
    assert_like_reference("names", &[case]);
}

/// The function of these results, which are fed with `fed` and compared with the reference.
fn checked(name: &str, results: &[(String, Expr<'_>)], fed: &[(String, Value)]) -> String {
    let case = case(name, results, fed, (512, 1e-14)).expect("it can be written");
    let source = case.source.clone();
    assert_like_reference(name, &[case]);
    let (_, function) = source.split_once("pub fn generated").expect("the function is there");
    function.split("\n}\n").next().expect("a text has a first part").to_owned()
}

/// What one side of a choice alone needs is computed where that side is taken, for all choices by a condition at once, and the other way
/// round for a choice inside of it. What both sides need, or something else, comes before.
#[test]
fn what_one_side_of_a_choice_needs_is_computed_there() {
    let g = Graph::new();
    let [x, y] = ["x", "y"].map(|name| g.input_of(DType::F64, name, ()));
    let (is_positive, is_small) = (x.greater(0.0), y.less(1.0));
    let (sine, shared) = (x.sin(), y.exp());
    let inner = is_small.select(y.cos() + sine, y.sqrt());
    let first = is_positive.select(sine * inner + shared, shared);
    let second = is_positive.select(first.tanh() + sine, x.cbrt());
    let results = [("first".to_owned(), first), ("second".to_owned(), second), ("shared".to_owned(), shared)];
    for (x, y) in [(0.5, 0.3), (0.5, 2.0), (-0.5, 0.3), (-0.5, 2.0)] {
        let text = checked("sides", &results, &[("x".into(), x.into()), ("y".into(), y.into())]);
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is missing in\n{text}"));
        assert_eq!(text.matches("M::sin(x)").count(), 1, "{text}");
        assert!(place("M::exp(y)") < place("if "), "{text}");
        assert!(place("if ") < place("M::sin(x)") && place("M::cos(y)") < place("M::sqrt(y)"), "{text}");
    }
}

/// Sums of channels, unrolled and as loops, of several numbers of channels for the same rows, with what is computed before and after.
#[test]
fn channels_are_summed_by_rows() {
    let mut cases = Vec::new();
    for (position, shape) in [[3, 4, 5], [2, 6, 40], [4, 15, 17], [2, 1, 70]].into_iter().enumerate() {
        for max_unrolled in [0, 512] {
            let g = Graph::new();
            let x = g.input_of(DType::F64, "x", shape);
            let y = x * 2.0 + 1.0;
            let mut results = vec![
                ("sum".to_owned(), y.sum_over([0, 2])),
                ("max".to_owned(), (x * x).max_over([0, 2])),
                ("y".to_owned(), y),
            ];
            if shape[0] % 2 == 0 {
                let halves = y.reshape((2, shape[0] / 2 * shape[1], shape[2]));
                results.push(("halves".to_owned(), (halves - 0.5).sum_over([0, 2])));
            }
            let numbers = ndarray::Array1::linspace(-1.0, 2.0, shape.iter().product());
            let fed = [("x".to_owned(), numbers.to_shape(shape).expect("as many").to_owned().into())];
            let name = format!("channels_{position}_{max_unrolled}");
            cases.push(case(&name, &results, &fed, (max_unrolled, 1e-12)).expect("it can be written"));
        }
    }
    assert_like_reference("channels", &cases);
}

/// A choice of what costs little is made without a branch, and one in a loop that a compiler makes vectors of too.
#[test]
fn choices_of_little_work_do_not_branch() {
    let g = Graph::new();
    let (x, row) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "row", (100,)));
    let small = x.greater(0.0).select(x * 2.0 + 1.0, x * x);
    let roots = row.greater(0.0).select(row.sqrt() / (row + 1.0), row);
    let fed = [("x".to_owned(), 0.3.into()), ("row".to_owned(), ndarray::Array1::linspace(-1.0, 2.0, 100).into())];
    let text = checked("little", &[("small".into(), small), ("roots".into(), roots)], &fed);
    assert!(!text.lines().any(|line| line.trim_start().starts_with("if ")), "{text}");
}

/// Products that are equal up to their sign are one, and signs go into sums.
#[test]
fn signs_of_products_go_into_sums() {
    let g = Graph::new();
    let [x, y, z] = ["x", "y", "z"].map(|name| g.input_of(DType::F64, name, (3,)));
    let product = (-x) * y;
    let results =
        [("a".to_owned(), z + product), ("b".to_owned(), z - (-y) * x), ("c".to_owned(), (-x).exp() - product)];
    let fed = ["x", "y", "z"].map(|name| (name.to_owned(), ndarray::array![0.5, -0.0, 3.0].into()));
    let text = checked("signs", &results, &fed);
    assert_eq!(text.matches(" * ").count(), 3, "{text}");
}

/// The parts of a small array are written where they belong, however many there are.
#[test]
fn an_array_of_many_numbers_is_written_number_by_number() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2,));
    let parts: Vec<Expr<'_>> = (0..100).map(|i| x.slice(i % 2) * f64::from(i)).collect();
    let all = parts[0].stack(parts[1..].iter().copied(), 0);
    let text = checked("numbers", &[("all".into(), all)], &[("x".into(), ndarray::array![0.5, -2.0].into())]);
    assert!(!text.contains("copy(") && !text.contains("let mut"), "{text}");
}
