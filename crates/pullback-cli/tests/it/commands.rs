//! The command as it is typed: what it prints, writes and refuses, by graphs that are made here. Values are those of the reference
//! evaluator, or numbers that are known.

use std::fs;

use ndarray::array;
use pullback::{
    DType, Evaluation, Expr, Graph, Initializer, Options, Value,
    io::{Arrays, load_npy, save_npy},
};

use crate::folder::{Folder, Ran};

/// loss = Σ (x·w + b − y)², in f64, of a batch of any size.
fn regression() -> String {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("batch", 2));
    let y = g.input_of(DType::F64, "y", ("batch",));
    let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Normal { mean: 0.0, deviation: 1.0 });
    let b = g.parameter_of(DType::F64, "b", (), Initializer::Zeros);
    let prediction = x.dot(w) + b;
    let error = prediction - y;
    g.to_text([("loss", (error * error).sum()), ("prediction", prediction)])
}

/// A folder with that graph, and its arrays in files of every format.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("line.graph", regression());
    let mut data = Arrays::new();
    data.insert("x", array![[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]].into());
    data.insert("y", array![1.0, 2.0, 3.0].into());
    data.insert("unused", array![true].into());
    data.save_npz(folder.path("data.npz")).unwrap();
    let mut model = Arrays::new();
    model.insert("w", array![0.5, -1.0].into());
    model.insert("b", 0.25.into());
    model.save(folder.path("model.safetensors")).unwrap();
    save_npy(folder.path("w.npy"), &array![0.5, -1.0]).unwrap();
    fs::copy(folder.path("data.npz"), folder.path("data")).unwrap();
    data.insert("x", array![[0.0, 0.0]].into());
    data.insert("y", array![0.0].into());
    data.save_npz(folder.path("other.npz")).unwrap();
    folder.write("x.csv", "1,2\n3,4\n-1,0.5\n");
    folder.write("y.csv", "1\n2\n3\n");
    folder
}

/// By hand: the predictions are (−1.25, −2.25, −0.75), the errors (−2.25, −4.25, −3.75), and their squares add up to 37.1875.
const LOSS: f64 = 37.1875;
/// 2·Σ error·x.
const SLOPE: [f64; 2] = [-22.5, -46.75];

#[test]
fn a_graph_is_run_on_arrays_of_every_format() {
    let folder = folder();
    for inputs in [
        "-i data.npz -i model.safetensors",
        "-i data.npz -i w=w.npy --set b=0.25",
        "-i x=x.csv -i y=y.csv -i w=model.safetensors -i b=model.safetensors",
        "--input x=data.npz --input y=y.csv --input w=w.npy --set b=0.25 --engine reference",
        "-i data.npz -i model.safetensors --threads 1 --check-finite",
        // What is named counts before what a file has; the format of a file that does not say it is told by its bytes.
        "-i other.npz -i x=x.csv -i y=data -i model.safetensors",
    ] {
        let ran = folder.run(&format!("run line.graph {inputs}")).done();
        assert_eq!(ran.stdout, "loss: f64[] = 37.1875\nprediction: f64[3] = [-1.25, -2.25, -0.75]\n", "{inputs}");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn results_are_written_in_every_format() {
    let folder = folder();
    let inputs = "run line.graph -i data.npz -i model.safetensors";
    let all = "-o out.npz -o out.safetensors -o prediction=p.npy -o prediction=p.csv -o loss=loss.csv -o loss=one.npz";
    let ran = folder.run(&format!("{inputs} {all}")).done();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let prediction = Value::from(array![-1.25, -2.25, -0.75]);
    for arrays in [Arrays::load_npz(folder.path("out.npz")), Arrays::load(folder.path("out.safetensors"))] {
        let arrays = arrays.unwrap();
        assert_eq!((arrays.get("loss"), arrays.get("prediction")), (Some(&LOSS.into()), Some(&prediction)));
    }
    assert_eq!(load_npy(folder.path("p.npy")).unwrap(), prediction);
    assert_eq!(folder.read("p.csv"), "-1.25\n-2.25\n-0.75\n");
    assert_eq!(folder.read("loss.csv"), "37.1875\n");
    assert_eq!(Arrays::load_npz(folder.path("one.npz")).unwrap().iter().len(), 1);
    let ran = folder.run(&format!("{inputs} -o prediction=- --format csv")).done();
    assert_eq!(ran.stdout, "-1.25\n-2.25\n-0.75\n");
    // What is written to the standard output is read from the standard input.
    for format in ["npz", "safetensors"] {
        let written = folder.run(&format!("{inputs} -o - --format {format}")).done();
        folder.write("id.graph", "%0: f64[] = input \"loss\"\nreturn again = %0");
        let ran = folder.run_with("run id.graph -i -", &written.bytes).done();
        assert_eq!(ran.stdout, "again: f64[] = 37.1875\n", "{format}");
    }
}

#[test]
fn a_gradient_is_a_graph_that_runs() {
    let folder = folder();
    let inputs = "-i data.npz -i model.safetensors";
    folder.run("differentiate line.graph --of loss --by w,b -o slope.graph").done();
    let ran = folder.run(&format!("run slope.graph {inputs} -o out.npz")).done();
    assert_eq!(ran.stderr, "");
    let out = Arrays::load_npz(folder.path("out.npz")).unwrap();
    assert_eq!(out.get("gradient.w"), Some(&array![SLOPE[0], SLOPE[1]].into()));
    assert_eq!(out.get("gradient.b"), Some(&(-20.5).into()));
    assert_eq!(out.get("loss"), Some(&LOSS.into()));
    // The same through a pipe.
    let slope = folder.run("differentiate line.graph --of loss --by w --only").done();
    assert_eq!(slope.stdout.lines().last().map(|line| line.split(" = ").next()), Some(Some("return gradient.w")));
    let ran = folder.run_with(&format!("run - {inputs}"), slope.stdout.as_bytes()).done();
    assert_eq!(ran.stdout, "gradient.w: f64[2] = [-22.5, -46.75]\n");
}

/// Forward over reverse mode: H·v of the loss is 2·Xᵀ·X·v, here for v = (1, −1). And a cotangent of the predictions.
#[test]
fn derivatives_are_differentiated_again() {
    let folder = folder();
    let slope = folder.run("differentiate line.graph --of loss --by w").done();
    let hessian = "differentiate - --of gradient.w --by w --jvp --name hessian --only";
    let product = folder.run_with(hessian, slope.stdout.as_bytes()).done();
    folder.write("v.csv", "1,-1\n");
    let inputs = "run - -i data.npz -i model.safetensors";
    let ran = folder.run_with(&format!("{inputs} -i tangent.w=v.csv"), product.stdout.as_bytes()).done();
    // XᵀX = [[11, 13.5], [13.5, 20.25]].
    assert_eq!(ran.stdout, "hessian.gradient.w: f64[2] = [-5, -13.5]\n");
    let vjp = folder.run("differentiate line.graph --of prediction --by w,x --vjp --only").done();
    folder.write("c.csv", "1\n0\n2\n");
    let ran = folder
        .run_with(&format!("{inputs} -i cotangent.prediction=c.csv -o vjp.w=-  --format csv"), vjp.stdout.as_bytes());
    assert_eq!(ran.done().stdout, "-1.0\n3.0\n");
}

#[test]
fn a_graph_is_simplified_with_the_rules_that_fired() {
    let folder = Folder::new();
    let g = Graph::new();
    let x = g.input("x", ("batch",));
    folder.write("slow.graph", g.to_text([("y", (1.0 + x.exp()).log() * 1.0 + -(-x))]));
    let ran = folder.run("simplify slow.graph").done();
    let simplified = "format 1\n%0: f32[batch] = input \"x\"\n%1: f32[batch] = softplus %0\n%2: f32[batch] = add %1, %0\nreturn y = %2\n";
    assert_eq!(ran.stdout, simplified);
    assert!(ran.stderr.contains("nodes: 10 -> 3") && ran.stderr.contains("slow.graph:"), "{}", ran.stderr);
    let quiet = folder.run("simplify slow.graph -q -o fast.graph").done();
    assert_eq!(
        (quiet.stdout.as_str(), quiet.stderr.as_str(), folder.read("fast.graph").as_str()),
        ("", "", simplified)
    );
    let state = "%0: f32[] = state \"s\" initializer=zeros\n%1: f32[] = neg %0\nupdate %0 = %1\nreturn y = %1";
    folder.write("state.graph", state);
    folder.run("simplify state.graph").fails("state.graph sets the state \"s\" (at state.graph:1:1)");
}

#[test]
fn a_graph_and_its_plan_are_shown() {
    let folder = folder();
    let shown = folder.run("show line.graph").done().stdout;
    assert!(shown.starts_with("%0: f64[batch, 2] = input \"x\"\n"), "{shown}");
    assert_eq!(folder.run("show line.graph --exact").done().stdout, regression());
    let plan = folder.run("show line.graph --plan --size batch=32").done().stdout;
    assert!(plan.contains(" steps, ") && plan.contains("line.graph:"), "{plan}");
    folder
        .run("show line.graph --plan")
        .fails("the size `batch` has no number\n   = help: give it, as in `--size batch=32`");
    folder.run("show line.graph --plan --size btach=32").fails("no size is named `btach`; the nearest name is `batch`");
    folder.run("show line.graph --size batch=32").fails_as_misuse("--plan");
    folder.run("show line.graph --plan --size batch").fails_as_misuse("a size is a name and a whole number");
}

#[test]
fn all_mistakes_of_a_graph_are_told_with_their_lines() {
    let folder = folder();
    let ran = folder.run("check line.graph --size batch=3").done();
    assert!(ran.stdout.starts_with("line.graph: no errors, "), "{}", ran.stdout);
    folder.write(
        "bad.graph",
        "%0: f32[2] = input \"x\"\n%1: f32[3] = exp %0\n%2: f32[3] = neg %1\n%3: f32[2] = ex %0\nreturn y = %2, z = %9\n",
    );
    let ran = folder.run("check bad.graph").fails("error: bad.graph:2:5: the type is written f32[3]");
    assert!(ran.stderr.contains("\nbad.graph:4:14: no operation is called `ex`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 errors"), "{}", ran.stderr);
    let ran = folder.run_with("check -", b"%0: f32[] = constant [1.0, 2.0]\n");
    ran.fails("standard input:1:22: expected 1 elements, found 2");
    folder.write("free.graph", "%0: f32[n] = constant 1.0\nreturn y = %0\n");
    folder.run("check free.graph").fails("the size `n` is used at free.graph:1:1, but no input has it");
    folder.write("later.graph", "format 9\nreturn\n");
    folder.run("check later.graph").fails("later.graph:1:8: this text is of format 9, and format 1 is known");
    folder.write(
        "shape.graph",
        "%0: f32[n] = input \"x\"\n%1: f32[n - 5] = slice %0 start=[5] stop=[n] step=[1]\nreturn y = %1",
    );
    folder.run("check shape.graph --size n=7").done();
    folder.run("check shape.graph --size n=3").fails("shape.graph:2:1");
}

#[test]
fn wrong_and_missing_arrays_are_told_by_name_file_and_line() {
    let folder = folder();
    let run = |arguments: &str| folder.run(&format!("run line.graph {arguments}"));
    let ran = run("-i data.npz").fails("no array is given for \"w\" (f64[2], declared at line.graph:");
    assert!(ran.stderr.contains("no array is given for \"b\"") && ran.stderr.contains("--seed 0"), "{}", ran.stderr);
    run("-i nothing.npz").fails("nothing.npz: cannot be read: ");
    run("-i z=x.csv").fails("x.csv is for nothing: line.graph has no input, parameter or state \"z\"");
    run("--set bb=1").fails("the nearest name is `b`");
    run("-i x=model.safetensors").fails("model.safetensors has no array \"x\"");
    run("-i w.npy").fails("w.npy: the array in it has no name");
    run("-i x=data.npz -i x=x.csv").fails("\"x\" is given twice: by data.npz and by x.csv");
    run("--set b=1 --set b=2").fails("\"b\" is given twice: by --set and by --set");
    fs::copy(folder.path("data.npz"), folder.path("again.npz")).unwrap();
    run("-i data.npz -i again.npz").fails("\"x\" is given twice: by data.npz and by again.npz");
    let rest = "-i y=y.csv -i model.safetensors";
    run(&format!("-i x=y.csv {rest}"))
        .fails("\"x\" has shape [batch, 2] (declared at line.graph:2:1), and y.csv has [3, 1]");
    run(&format!("-i x=w.npy {rest}")).fails("\"x\" has shape [batch, 2]");
    folder.write("x4.csv", "1,2\n3,4\n5,6\n7,8\n");
    run(&format!("-i x=x4.csv {rest}")).fails("`batch` is ");
    folder.write("words.csv", "1,2\n3,four\n");
    run(&format!("-i x=words.csv {rest}")).fails("words.csv:2:2: `four` is no f64");
    folder.write("ragged.csv", "1,2\n\n3\n");
    run(&format!("-i x=ragged.csv {rest}")).fails("ragged.csv:3: 1 cells, and the first line has 2");
    run(&format!("-i x=x.csv -i y=x.csv {}", "-i model.safetensors"))
        .fails("x.csv: a table of 3 rows and 2 columns for \"y\", which is f64[batch]");
    folder.write("cut.npz", &fs::read(folder.path("data.npz")).unwrap()[..100]);
    run("-i cut.npz").fails("cut.npz: byte 100: it is no npz file");
    run("-i x=x.txt").fails("x.txt: cannot be read: ");
    run("-i x=- -i y=-").fails_as_misuse("the standard input is read once");
    run("--set b=one -i data.npz -i w=w.npy").fails_as_misuse("--set b=one: `one` is no f64");
}

#[test]
fn dtypes_are_converted_where_that_is_asked_for() {
    let folder = folder();
    let mut data = Arrays::new();
    data.insert("x", array![[1.0f32, 2.0], [3.0, 4.0], [-1.0, 0.5]].into());
    data.insert("y", array![1i64, 2, 3].into());
    data.save_npz(folder.path("other.npz")).unwrap();
    let ran = folder.run("run line.graph -i other.npz -i model.safetensors");
    ran.fails("\"x\" is f64 (declared at line.graph:2:1), and other.npz has f32");
    let ran = folder.run("run line.graph -i other.npz -i model.safetensors --cast").done();
    assert!(ran.stdout.starts_with("loss: f64[] = 37.1875\n"), "{}", ran.stdout);
    folder.write("index.graph", "%0: i64[] = input \"i\"\nreturn i = %0\n");
    save_npy(folder.path("i.npy"), &1.5).unwrap();
    folder.run("run index.graph -i i=i.npy --cast").fails("\"i\" is i64");
}

/// What no file gives is drawn by its initializer, as the library draws it.
#[test]
fn a_seed_draws_what_is_not_given() {
    let folder = folder();
    let parsed = Graph::parse(&regression()).unwrap();
    let w = parsed.graph.initialize(7).unwrap().view("w").unwrap().to_value();
    folder.write("w.graph", "%0: f64[2] = parameter \"w\" initializer=normal(0.0, 1.0)\nreturn w = %0");
    folder.run("run w.graph --seed 7 -o w=drawn.npy").done();
    assert_eq!(load_npy(folder.path("drawn.npy")).unwrap(), w);
    let ran = folder.run("run line.graph --seed 7 -i data.npz -i w=w.npy").done();
    // b begins as 0: the errors are (−2.5, −4.5, −4).
    assert!(ran.stdout.starts_with("loss: f64[] = 42.5\n"), "{}", ran.stdout);
}

/// A loop, a branch and a decomposition, as the reference evaluates them in the test itself.
#[test]
fn graphs_with_bodies_give_what_the_reference_gives() {
    let folder = Folder::new();
    let g = Graph::new();
    let xs = g.input_of(DType::F64, "xs", ("time", 3));
    let (last, states) = g.scan(g.constant([0.5, 0.25, 0.125]), xs, |h: Expr<'_>, x: Expr<'_>| {
        let h = (h * 0.5 + x).tanh();
        (h, h)
    });
    let results = [("last", last), ("states", states), ("slope", g.gradient(last.sum(), xs))];
    folder.write("loop.graph", g.to_text(results));
    let fed = array![[0.1, 0.2, 0.3], [-0.4, 0.5, 0.6], [0.7, -0.8, 0.9], [1.0, 1.1, -1.2]];
    save_npy(folder.path("xs.npy"), &fed).unwrap();
    let options = Options { evaluation: Evaluation::Reference, ..Options::default() };
    let want = g.compile_with(results, &options).unwrap().call(("xs", &fed)).unwrap();
    folder.run("run loop.graph -i xs=xs.npy -o out.npz").done();
    folder.run("run loop.graph -i xs=xs.npy -o reference.npz --engine reference").done();
    let read = |file: &str| Arrays::load_npz(folder.path(file)).unwrap();
    for (name, want) in want.iter() {
        assert_eq!(read("reference.npz").get(name), Some(want));
        let (found, want) = (read("out.npz").get(name).unwrap().clone(), want.clone());
        let (Value::F64(found), Value::F64(want)) = (found, want) else { panic!("{name}") };
        // A few roundings of numbers below 1 in four iterations.
        assert!(found.iter().zip(&want).all(|(found, want)| (found - want).abs() < 1e-14), "{name}: {found} {want}");
    }
}

#[test]
fn steps_are_timed() {
    let folder = folder();
    let ran = folder.run("profile line.graph -i data.npz -i model.safetensors --runs 3").done();
    assert!(ran.stdout.contains("steps, ") && ran.stdout.contains("line.graph:"), "{}", ran.stdout);
    folder.run("profile line.graph -i data.npz -i model.safetensors --runs 0").fails_as_misuse("--runs");
}

#[test]
fn a_report_is_one_page() {
    let folder = folder();
    folder.run("report line.graph -i data.npz -i model.safetensors --runs 2 -o line.html").done();
    let page = folder.read("line.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("line.graph"), "{page}");
}

#[test]
fn a_graph_is_drawn_and_written_as_rust_and_stablehlo() {
    let folder = folder();
    let dot = folder.run("export --dot line.graph").done().stdout;
    assert!(dot.starts_with("digraph pullback {"), "{dot}");
    folder.run("export line.graph --svg -o line.svg").done();
    assert!(folder.read("line.svg").contains("<svg"));
    folder.run("export line.graph").fails_as_misuse("--dot");
    folder.run("export line.graph --dot --svg").fails_as_misuse("cannot be used with");
    let rust = folder.run("export line.graph --rust --name line --size batch=4 --libm").done().stdout;
    assert!(rust.contains("pub fn line"), "{rust}");
    folder.run("export line.graph --rust --name 2 --size batch=4").fails("\"2\" is no name of a function");
    folder.run("export line.graph --rust").fails("the size `batch` has no number");
    let text = folder.run("export line.graph --stablehlo --size batch=4 --shard batch=data").done().stdout;
    assert!(text.contains("func.func public @main(") && text.contains("@mesh, [{\"data\"}"), "{text}");
    folder.run("export line.graph --stablehlo").fails("the size `batch` has no number");
    folder.run("export line.graph --stablehlo --size batch=4 --shard bath=data").fails("the nearest name is `batch`");
    folder.run("export line.graph --svg --name line").fails_as_misuse("cannot be used with");
    folder.run("export line.graph --dot -o nowhere/line.dot").fails("nowhere/line.dot: cannot be written: ");
}

#[test]
fn names_that_a_graph_does_not_have_are_told() {
    let folder = folder();
    let differentiate = |arguments: &str| folder.run(&format!("differentiate line.graph {arguments}"));
    differentiate("--of lose --by w").fails("line.graph returns no \"lose\"; the nearest name is `loss`");
    differentiate("--of loss --by weight").fails("line.graph has no input, parameter, state or result \"weight\"");
    differentiate("--of prediction --by w").fails("\"prediction\" (at line.graph:");
    differentiate("--of loss").fails_as_misuse("--by");
    differentiate("--of loss --by w --jvp --vjp").fails_as_misuse("cannot be used with");
    differentiate("--of loss --by w --name gradient -o a.graph").done();
    folder.run("differentiate a.graph --of loss --by w").fails("a.graph has \"gradient.w\" already");
    folder.write("index.graph", "%0: i64[] = input \"i\"\n%1: f32[] = cast %0\nreturn y = %1\n");
    folder
        .run("differentiate index.graph --of y --by i")
        .fails("\"i\" (at index.graph:1:1) is i64[], and derivatives are of f32 and f64");
    let run = |arguments: &str| folder.run(&format!("run line.graph -i data.npz -i model.safetensors {arguments}"));
    run("-o lose=a.csv").fails("line.graph returns no \"lose\"");
    run("-o a.csv").fails("a.csv: the format has one array, and there are 2 results");
    run("-o -")
        .fails_as_misuse("say the format of the output `-`: by the end of its name, .npz, .npy, .safetensors or .csv");
    run("-o results").fails_as_misuse("say the format of the output `results`");
    folder.run("run nothing.graph").fails("nothing.graph: cannot be read: ");
    folder.run("").fails_as_misuse("Usage");
    folder.run("walk line.graph").fails_as_misuse("unrecognized subcommand");
    folder.write("cube.graph", "%0: f32[1, 1, 2] = constant 1.0\nreturn y = %0");
    folder.run("run cube.graph -o y=y.csv").fails("y.csv: \"y\" has 3 axes, and a table has two");
}

/// Without an operation that makes one: a NaN is a value as any other, and is named where that is asked for.
#[test]
fn an_operation_that_makes_a_nan_is_named() {
    let folder = Folder::new();
    folder.write("log.graph", "%0: f64[2] = input \"x\"\n%1: f64[2] = log %0\nreturn y = %1\n");
    folder.write("x.csv", "1,-1\n");
    assert_eq!(folder.run("run log.graph -i x=x.csv").done().stdout, "y: f64[2] = [0, NaN]\n");
    folder
        .run("run log.graph -i x=x.csv --check-finite")
        .fails("`log` (node %1) at log.graph:2:1 makes NaN of finite numbers, at [1]");
    let Ran { stdout, .. } = folder.run("--version").done();
    assert!(stdout.starts_with("pullback "), "{stdout}");
}
