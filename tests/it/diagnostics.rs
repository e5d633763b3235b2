//! What a user is told about a mistake. Each text was read before it was accepted.

use std::{collections::BTreeSet, fs, path::Path};

use ndarray::{Array1, Array2, Array3};
use pullback::{
    AllAxes, Convolve, DType, Expr, Graph, Index, Initializer, Inputs, Pool,
    batching::{VmapAxes, VmapOptions},
    graph::{Binary, GraphError, Op, Select},
    nn::{BatchNorm, BatchNormOptions, Dropout, Layer, cross_entropy, linear, squared_error},
};

use super::after_place;

/// All reports of a graph; lines and columns are replaced, so that an edit of this file changes no snapshot.
fn reports(build: impl Fn(&Graph)) -> String {
    let g = Graph::new();
    build(&g);
    normal(&g.check().expect_err("there is a mistake").to_string())
}

fn normal(text: &str) -> String {
    let mut parts = text.split("tests/it/diagnostics.rs:");
    let mut normal = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        normal += "diagnostics.rs:L:C";
        normal += after_place(part);
    }
    normal
}

/// Each text is a file in `snapshots/` and the folder, under the name of its case, and each file there is such a text.
fn assert_texts(folder: &str, texts: impl IntoIterator<Item = (&'static str, String)>) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut expected = BTreeSet::new();
    settings.bind(|| {
        for (name, text) in texts {
            let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            insta::assert_snapshot!(name.as_str(), text);
            assert!(expected.insert(format!("{name}.snap")), "two cases of the name {name}");
        }
    });
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(folder));
    let name = |file: std::io::Result<fs::DirEntry>| file.map(|file| file.file_name().to_string_lossy().into_owned());
    let found: BTreeSet<String> = files.and_then(|files| files.map(name).collect()).expect("the folder is readable");
    assert_eq!(found, expected, "files without a case, or cases without a file");
}

fn matrix<'g>(g: &'g Graph, name: &str) -> Expr<'g> {
    g.input(name, ("batch", 3))
}

type Build = fn(&Graph);

/// One of each kind that a user is likely to make.
const MISTAKES: &[(&str, Build)] = &[
    ("carry of another shape", |g| {
        let (xs, h) = (matrix(g, "xs"), g.input("h", (3,)));
        g.scan(h, xs, |h, x| ((h * x).sum(), ()));
    }),
    ("carries of another number", |g| {
        let h = g.input("h", (3,));
        g.fori(4, vec![h, h], |_, carry| vec![carry[0]]);
    }),
    ("scan over two lengths", |g| {
        let xs = (matrix(g, "xs"), g.input("ys", ("time", 3)));
        g.scan((), xs, |(), (x, y)| ((), x + y));
    }),
    ("scan over a scalar", |g| {
        g.scan((), g.input("x", ()), |(), x| ((), x));
    }),
    ("scan without a length", |g| {
        g.scan(g.input("x", ()), (), |x, ()| (x, ()));
    }),
    ("mistake inside of a body", |g| {
        g.scan(g.input("h", (3,)), matrix(g, "xs"), |h, x| {
            let wrong = x.reshape((5,));
            (h + wrong, ())
        });
    }),
    ("branches of two types", |g| {
        let x = g.input("x", (3,));
        g.cond(x.sum().greater(0.0), || x, || x.sum());
    }),
    ("branches of two numbers of results", |g| {
        let x = g.input("x", (3,));
        g.cond(x.sum().greater(0.0), || vec![x], || vec![x, x]);
    }),
    ("branch by a number", |g| {
        let x = g.input("x", (3,));
        g.cond(x.sum(), || x, || x);
    }),
    ("loop as long as an array", |g| {
        let x = g.input("x", (3,));
        g.while_loop(x, |x| x.less(1.0), |x| x + 1.0);
    }),
    ("gradient of a loop without a bound", |g| {
        let x = g.input("x", ());
        let y = g.while_loop(x, |x| x.less(1.0), |x| x + 1.0);
        g.gradient(y, x);
    }),
    ("call with another shape", |g| {
        let x = matrix(g, "x");
        let square = g.function(x, |x| x * x);
        square.call(x.sum_over(0));
    }),
    ("body with a handle of another graph", |g| {
        let other = Graph::new();
        let w = other.input("w", (3,));
        g.scan(g.input("h", (3,)), matrix(g, "xs"), |h, x| (h * w + x, ()));
    }),
    ("broadcast", |g| {
        let _ = matrix(g, "x") + g.parameter("bias", (4,), Initializer::Zeros);
    }),
    ("broadcast of another rank", |g| {
        let _ = g.input("image", (8, 8, 3)) * g.input("mask", (8, 8));
    }),
    ("broadcast_to", |g| {
        g.input("x", (2, 3)).broadcast_to((2, 4));
    }),
    ("matrix product", |g| {
        matrix(g, "x").dot(g.parameter("weight", (4, 10), Initializer::HeNormal));
    }),
    ("two dtypes", |g| {
        let _ = matrix(g, "x") + g.input_of(DType::F64, "y", ("batch", 3));
    }),
    ("function of an integer", |g| {
        g.input_of(DType::I64, "count", (3,)).exp();
    }),
    ("fraction with an integer", |g| {
        let _ = g.input_of(DType::I64, "count", (3,)) * 0.5;
    }),
    ("axis", |g| {
        matrix(g, "x").sum_over(2);
    }),
    ("axis twice", |g| {
        matrix(g, "x").sum_over([0, -2]);
    }),
    ("axis of a scalar", |g| {
        matrix(g, "x").sum().max_over(0);
    }),
    ("reshape", |g| {
        matrix(g, "x").reshape(("batch", 4));
    }),
    ("transpose", |g| {
        matrix(g, "x").transpose([0, 0]);
    }),
    ("slice", |g| {
        g.input("x", (4, 4)).slice((.., 2..5));
    }),
    ("slice at a position", |g| {
        g.input("x", (4, 4)).slice(-5);
    }),
    ("stride over a symbol", |g| {
        matrix(g, "x").slice(Index::from(..).step(2));
    }),
    ("concat", |g| {
        matrix(g, "x").concat([g.input("y", ("batch", 4))], 0);
    }),
    ("greatest of nothing", |g| {
        g.input("x", (0, 3)).max_over(AllAxes);
    }),
    ("name taken", |g| {
        matrix(g, "x");
        matrix(g, "x");
    }),
    ("no name", |g| {
        matrix(g, "two words");
    }),
    ("symbolic parameter", |g| {
        g.parameter("weight", ("batch", 3), Initializer::Zeros);
    }),
    ("symbolic state", |g| {
        g.state("mean", ("batch", 3), Initializer::Zeros);
    }),
    ("initializer of a state", |g| {
        g.state_of(DType::I64, "count", (), Initializer::Constant(0.5));
    }),
    ("key of a parameter", |g| {
        g.parameter("key", (), Initializer::Key);
    }),
    ("update of a parameter", |g| {
        g.update(g.parameter("weight", (2,), Initializer::Zeros), |weight| weight * 2.0);
    }),
    ("carry of a random start", |g| {
        let start = Initializer::Normal { mean: 0.0, deviation: 1.0 };
        g.carry(g.state("hidden", (2,), start), |hidden| hidden * 2.0);
    }),
    ("carry of what is updated", |g| {
        let hidden = g.state("hidden", (2,), Initializer::Zeros);
        g.update(hidden, |hidden| hidden * 2.0);
        g.carry(hidden, |hidden| hidden * 2.0);
    }),
    ("update of another shape", |g| {
        g.update(g.state("mean", (2,), Initializer::Zeros), |mean| mean.sum());
    }),
    ("update inside of a loop", |g| {
        let mean = g.state("mean", (), Initializer::Zeros);
        let _ = g.scan(g.constant(0f32), g.input("xs", ("n",)), |carry, x| {
            g.update(mean, |mean| mean + x);
            (carry + x, x)
        });
    }),
    ("dropout of everything", |g| {
        Dropout::new(g, "dropout", 1.0);
    }),
    ("channels of batch norm", |g| {
        BatchNorm::new(g, "norm", 3).call(g.input("x", ("batch", 4)));
    }),
    ("epsilon of batch norm", |g| {
        let options = BatchNormOptions { epsilon: 1e-50, ..BatchNormOptions::default() };
        BatchNorm::with(g, "norm", 3, options).call(g.input("x", ("batch", 3)));
    }),
    ("gradient of an array", |g| {
        let x = matrix(g, "x");
        g.gradient(x.tanh(), x);
    }),
    ("gradient by an integer", |g| {
        let index = g.input_of(DType::I64, "index", ());
        g.gradient(index.cast(DType::F32), index);
    }),
    ("cotangent of another shape", |g| {
        let x = matrix(g, "x");
        g.vjp(x.tanh(), x.sum(), &[x]);
    }),
    ("einsum sizes", |g| {
        g.einsum("bi,ij->bj", &[matrix(g, "x"), g.input("w", (4, 5))]);
    }),
    ("einsum operands", |g| {
        g.einsum("bi,ij->bj", &[matrix(g, "x")]);
    }),
    ("pooling", |g| {
        g.input("image", ("batch", 1, 8, 8)).max_pool(Pool::size(2).padding(2));
    }),
    ("einsum of ellipses", |g| {
        g.einsum("...i,...i->...", &[g.input("x", (4, 3, 2)), g.input("y", (5, 3, 2))]);
    }),
    ("einsum without the ellipsis in its result", |g| {
        g.einsum("...i->i", &[matrix(g, "x")]);
    }),
    ("einsum with an ellipsis twice", |g| {
        g.einsum("...i...->i", &[matrix(g, "x")]);
    }),
    ("step of 0", |g| {
        g.input("x", (4,)).slice(Index::from(..).step(0));
    }),
    ("negative step over a symbol", |g| {
        matrix(g, "x").slice(Index::from(..).step(-2));
    }),
    ("negative step out of range", |g| {
        g.input("x", (4,)).slice(Index::from(2..6).step(-1));
    }),
    ("stack", |g| {
        matrix(g, "x").stack([matrix(g, "y"), g.input("z", ("batch", 1))], 0);
    }),
    ("axis of a stack", |g| {
        matrix(g, "x").stack([matrix(g, "y")], 3);
    }),
    ("equal parts", |g| {
        g.input("x", ("batch", 10)).split(3, 1);
    }),
    ("equal parts of a symbol", |g| {
        matrix(g, "x").split(2, 0);
    }),
    ("no parts", |g| {
        matrix(g, "x").split(0, 1);
    }),
    ("sizes of parts", |g| {
        g.input("x", ("batch", 10)).split([4, 3], 1);
    }),
    ("negative size of a part", |g| {
        g.input("x", ("batch", 10)).split([-1, 11], 1);
    }),
    ("tile by a negative number", |g| {
        matrix(g, "x").tile((1, -2));
    }),
    ("negative padding", |g| {
        matrix(g, "x").pad([(0, 0), (-1, 1)], 0.0);
    }),
    ("padding of other axes", |g| {
        g.input("x", (2, 3, 4)).pad([(0, 0), (1, 1)], 0.0);
    }),
    ("array around an array", |g| {
        matrix(g, "x").pad([(1, 1)], g.input("value", (3,)));
    }),
    ("value of another dtype around an array", |g| {
        matrix(g, "x").pad([(1, 1)], g.input_of(DType::F64, "value", ()));
    }),
    ("value that the dtype lacks around an array", |g| {
        g.input_of(DType::I64, "count", (3,)).pad([(1, 1)], 0.5);
    }),
    ("too much padding", |g| {
        g.input("x", (3,)).pad([(1i64 << 46, 1i64 << 46)], 1.0);
    }),
    ("diag of a scalar", |g| {
        g.input("x", ()).diag();
    }),
    ("diagonal of no square", |g| {
        g.input("x", (3, 4)).diagonal();
    }),
    ("trace of truth values", |g| {
        g.eye(3, DType::Bool).trace();
    }),
    ("negative eye", |g| {
        g.eye(-3, DType::F32);
    }),
    ("too large an eye", |g| {
        g.eye(1i64 << 40, DType::F32);
    }),
    ("full of a negative size", |g| {
        g.full(1.0, (2, -3));
    }),
    ("full like, of another dtype", |g| {
        matrix(g, "x").full_like(g.input_of(DType::F64, "value", ()));
    }),
    ("constant of another dtype", |g| {
        g.constant_of(DType::I64, [1.0, 2.5]);
    }),
    ("large constant of another dtype", |g| {
        g.constant_of(DType::F32, [1.0, 1e40]);
    }),
    ("indices that do not broadcast", |g| {
        g.input("x", (3, 4)).gather_nd([g.input_of(DType::I64, "i", (2,)), g.input_of(DType::I64, "j", (3,))]);
    }),
    ("more indices than axes", |g| {
        let i = g.input_of(DType::I64, "i", ());
        g.input("x", (3, 4)).gather_nd([i, i, i]);
    }),
    ("no index", |g| {
        g.input("x", (3, 4)).gather_nd([]);
    }),
    ("index of a float", |g| {
        g.input("x", (3, 4)).gather_nd([g.input("i", ())]);
    }),
    ("logaddexp of integers", |g| {
        g.input_of(DType::I64, "x", ()).logaddexp(1);
    }),
    ("logaddexp of two dtypes", |g| {
        matrix(g, "x").logaddexp(g.input_of(DType::F64, "y", ("batch", 3)));
    }),
    ("logaddexp of two shapes", |g| {
        matrix(g, "x").logaddexp(g.input("y", (4,)));
    }),
    ("assignment", |g| {
        let mut x = matrix(g, "x");
        x += g.input("y", (4,));
    }),
    ("sum of terms", |g| {
        [matrix(g, "x"), g.input("y", (4,))].into_iter().sum::<Option<Expr<'_>>>();
    }),
    ("broadcast of both to too large a shape", |g| {
        let _ = g.input("x", (1i64 << 30, 1)) + g.input("y", (1i64 << 30,));
    }),
    ("condition", |g| {
        matrix(g, "x").select(1.0, matrix(g, "y"));
    }),
    ("inside softmax", |g| {
        matrix(g, "x").softmax(2);
    }),
    ("labels of a float", |g| {
        cross_entropy(matrix(g, "logits"), g.input("labels", ("batch",)));
    }),
    ("labels of another shape", |g| {
        cross_entropy(matrix(g, "logits"), g.input_of(DType::I64, "labels", ("batch", 1)));
    }),
    ("target that would broadcast", |g| {
        squared_error(g.input("prediction", ("batch", 1)), g.input("target", ("batch",)));
    }),
    ("gain of another size", |g| {
        matrix(g, "x").layer_norm(g.input("gain", (4,)), g.input("bias", (3,)), 1e-5);
    }),
    ("bounds in the wrong order", |g| {
        matrix(g, "x").clamp(1.0, -1.0);
    }),
    ("activation of an integer", |g| {
        g.input_of(DType::I64, "count", (3,)).gelu();
    }),
    ("softmax of nothing", |g| {
        g.input("x", (3, 0)).softmax(-1);
    }),
    ("two layers of one name", |g| {
        let x = matrix(g, "x");
        let _ = linear(x, "hidden", 3) + linear(x, "hidden", 3);
    }),
    ("layer of a scalar", |g| {
        linear(g.input("x", ()), "hidden", 8);
    }),
    ("layer on a symbol", |g| {
        linear(g.input("x", (3, "features")), "hidden", 8);
    }),
    ("reshape to what does not divide", |g| {
        matrix(g, "x").reshape((-1, 4));
    }),
    ("reshape with two sizes open", |g| {
        matrix(g, "x").reshape((-1, -1));
    }),
    ("size −1 of an input", |g| {
        g.input("x", (-1, 3));
    }),
    ("too large", |g| {
        g.input("x", (1 << 30, 1 << 30));
    }),
    ("too large a number", |g| {
        g.input("x", (5,)).slice(Index::from(..).step(i64::MAX));
    }),
    ("channels last", |g| {
        g.input("image", ("batch", 28, 28, 3)).convolve(g.input("kernel", (16, 3, 5, 5)), Convolve::valid());
    }),
    ("channels", |g| {
        g.input("image", ("batch", 4, 28, 28)).convolve(g.input("kernel", (16, 3, 5, 5)), Convolve::valid());
    }),
    ("window larger than the array", |g| {
        g.input("image", ("batch", 1, 3, 3)).max_pool(5);
    }),
    ("kernel larger than the array", |g| {
        g.input("image", ("batch", 3, 4, 4)).convolve(g.input("kernel", (16, 3, 5, 5)), Convolve::valid());
    }),
    ("nearly all padding", |g| {
        g.input("x", (1, 1, 5)).max_pool(Pool::size(1 << 31).same());
    }),
    ("stride of 0", |g| {
        g.input("x", (1, 1, 5)).max_pool(Pool::size(2).stride(0));
    }),
    ("sizes for other axes", |g| {
        g.input("x", (1, 1, 5)).max_pool([2, 2]);
    }),
    ("random bits", |g| {
        let scalar = g.input_of(DType::I64, "key", ());
        g.random_bits(scalar, scalar, 64, (3,));
    }),
    ("primitive with other shapes", |g| {
        g.apply_op(Op::Binary(Binary::Add), &[g.input("x", (2,)), g.input("y", (1, 2))]);
    }),
    ("primitive with too few operands", |g| {
        g.apply_op(Op::Select(Select {}), &[g.input("x", (2,))]);
    }),
    ("operand of another graph", |g| {
        let other = Graph::new();
        let _ = g.input("x", ()) + other.input("y", ());
    }),
    ("vmap over a scalar", |g| {
        g.vmap((matrix(g, "xs"), g.input("y", ())), |(x, y)| x * y);
    }),
    ("vmap over other sizes", |g| {
        g.vmap((matrix(g, "xs"), g.input("ys", ("rows", 3))), |(x, y)| x * y);
    }),
    ("vmap over nothing", |g| {
        let x = matrix(g, "x");
        g.vmap((), |()| x.exp());
    }),
    ("vmap with an axis too few", |g| {
        let axes = VmapAxes::Each(vec![1]);
        let options = VmapOptions { axes, ..VmapOptions::default() };
        g.vmap_with(&options, (matrix(g, "xs"), matrix(g, "ys")), |(x, y)| x * y);
    }),
    ("vmap to an axis that is not there", |g| {
        let options = VmapOptions { out_axes: VmapAxes::Same(2), ..VmapOptions::default() };
        g.vmap_with(&options, matrix(g, "xs"), |x| x.sum());
    }),
    ("mistake inside of a vmap", |g| {
        g.vmap(matrix(g, "xs"), |x| x.reshape((5,)));
    }),
    ("batch of other sizes", |g| {
        let (x, y) = (g.input("x", (3,)), g.input("y", ()));
        g.batch(x * y, [(x, g.input("xs", ("batch", 3))), (y, g.input("ys", ("rows",)))]);
    }),
    ("batch of slices of another shape", |g| {
        let x = g.input("x", (3,));
        g.batch([x.exp(), x.sum()], [(x, g.input("xs", ("batch", 4)))]);
    }),
    ("batch of another dtype", |g| {
        let x = g.input("x", (3,));
        g.batch(x.exp(), [(x, g.input_of(DType::F64, "xs", ("batch", 3)))]);
    }),
    ("batch along an axis", |g| {
        let x = g.input("x", (3,));
        g.batch(x.exp(), [(x, g.input("xs", ("batch", 3)), 2)]);
    }),
    ("batch of a scalar", |g| {
        let x = g.input("x", ());
        g.batch(x.exp(), [(x, g.input("xs", ()))]);
    }),
    ("batch over nothing", |g| {
        g.batch(g.input("x", (3,)).exp(), [] as [(Expr<'_>, Expr<'_>); 0]);
    }),
    ("batch over one node twice", |g| {
        let x = g.input("x", (3,));
        g.batch(x.exp(), [(x, g.input("xs", ("batch", 3))), (x, g.input("others", ("batch", 3)))]);
    }),
    ("batch that is too large", |g| {
        let x = g.input("x", (1 << 20,));
        g.batch(x.outer(x), [(x, g.input("xs", (1 << 20, 1 << 20)))]);
    }),
    ("batch of another graph", |g| {
        let (x, other) = (g.input("x", (3,)), Graph::new());
        g.batch(x.exp(), [(x, other.input("xs", ("batch", 3)))]);
    }),
    ("axis to move to", |g| {
        g.input("x", (3, 4)).move_axis(0, 2);
    }),
    ("keys to split", |g| {
        g.split_key(g.input_of(DType::I64, "key", (3,)), 2);
    }),
    ("keys of another shape", |g| {
        let key = g.input_of(DType::I64, "key", (3,));
        g.random_bits(key, g.constant(0i64), 8, (2, 3));
    }),
    ("gradient asked of another graph", |g| {
        let other = Graph::new();
        let x = other.input("x", ());
        g.gradient(x.tanh(), x);
    }),
];

/// What compiling and running refuse, by a graph with the output `y` and the arrays that are fed.
fn refusal(build: impl Fn(&Graph) -> Expr<'_>, fed: impl Inputs) -> String {
    let g = Graph::new();
    let y = build(&g);
    let mut program = match g.compile([("y", y)]) {
        Ok(program) => program,
        Err(error) => return normal(&error.to_string()),
    };
    normal(&program.call(fed).map(drop).expect_err("it does not run").to_string())
}

#[test]
fn every_kind_of_error_reads_well() {
    let (three, five) = (Array1::<f32>::zeros(3), Array1::<f32>::zeros(5));
    let (none, signal) = (Array2::<f32>::zeros((2, 0)), Array3::<f32>::zeros((1, 1, 2)));
    let index = Array1::<i64>::from_elem(1, 7);
    let (a, b) = (Graph::new(), Graph::new());
    let foreign = a.compile([("y", b.input("x", ()))]).expect_err("of another graph").to_string();
    let x = a.input("x", (3,));
    let twice = a.compile([("y", x), ("y", x)]).expect_err("one name").to_string();
    let all = [
        ("output of another graph", normal(&foreign)),
        ("two outputs of one name", normal(&twice)),
        ("size that no input tells", refusal(|g| g.iota(DType::F32, ("n",), 0), ())),
        ("missing input", refusal(|g| g.input("x", (3,)).exp(), ())),
        ("input fed twice", refusal(|g| g.input("x", (3,)), (("x", &three), ("x", &three)))),
        ("shape of an input", refusal(|g| g.input("x", (3,)), ("x", &five))),
        (
            "sizes that disagree",
            refusal(|g| g.input("x", ("n",)) + g.input("y", ("n",)), (("x", &five), ("y", &three))),
        ),
        ("size of no whole number", refusal(|g| g.input("x", (pullback::Dim::symbol("n") * 2,)), ("x", &five))),
        ("greatest of nothing", refusal(|g| g.input("x", ("m", "n")).max_over(-1), ("x", &none))),
        (
            "position",
            refusal(
                |g| g.input("x", (3,)).gather(g.input_of(DType::I64, "index", (1,)), 0),
                (("x", &three), ("index", &index)),
            ),
        ),
        ("slice", refusal(|g| g.input("x", ("n",)).slice(4..6), ("x", &three))),
        ("window", refusal(|g| g.input("x", (1, 1, "n")).max_pool(Pool::size(3).stride(1)), ("x", &signal))),
        (
            "nearly all padding",
            refusal(|g| g.input("x", (1, 1, "n")).max_pool(Pool::size((1 << 30) + 1).stride(1).same()), ("x", &signal)),
        ),
        (
            "negative size",
            refusal(
                |g| {
                    let n = pullback::Dim::symbol("n");
                    g.iota(DType::F32, (n.clone() - 5,), 0) + g.input("x", (n,)).sum()
                },
                ("x", &three),
            ),
        ),
    ];
    assert_texts("errors", all);
}

#[test]
fn every_kind_of_mistake_reads_well() {
    assert_texts("mistakes", MISTAKES.iter().map(|(name, build)| (*name, reports(build))));
}

#[test]
fn every_mistake_is_reported_once() {
    for (name, build) in MISTAKES {
        let g = Graph::new();
        build(&g);
        let found = g.check().expect_err("there is a mistake").0.len();
        assert_eq!(found, 1, "{name}");
    }
}

#[test]
fn two_independent_mistakes_give_two_reports() {
    let g = Graph::new();
    let (x, y) = (g.input("x", (2, 3)), g.input("y", (4, 5)));
    let (sum, product) = (x + y, x.dot(y));
    let _ = (sum.tanh() * product).sum();
    let found = g.check().expect_err("two mistakes").0;
    assert_eq!(found.len(), 2);
    assert!(matches!(found[0].error, GraphError::NotBroadcastable { .. }));
    assert!(matches!(found[1].error, GraphError::SizesDiffer { .. }));
}

#[test]
fn one_mistake_used_by_ten_operations_gives_one_report() {
    let g = Graph::new();
    let x = g.input("x", (2, 3));
    let wrong = x + g.input("y", (4, 5));
    let uses = [
        wrong.tanh(),
        wrong * 2.0,
        1.0 - wrong,
        wrong.dot(wrong),
        wrong.sum_over(5),
        wrong.reshape((7,)),
        wrong.slice((.., 9)),
        wrong.softmax(-1),
        g.gradient(wrong, x),
        cross_entropy(wrong, wrong),
        linear(wrong, "layer", 3),
        x.greater(0.0).select(wrong, x),
        g.einsum("ab,bc->ac", &[wrong, x]),
        wrong.stack([x], 9),
        wrong.split(0, 9)[0],
        wrong.tile((-1,)),
        wrong.pad([(-1, 0)], 0.5),
        wrong.diag(),
        wrong.diagonal(),
        wrong.trace(),
        wrong.full_like(1.0),
        wrong.logaddexp(0.5),
        x.gather_nd([wrong]),
        x.pad([(1, 1)], wrong),
        [x, wrong, x].into_iter().sum::<Option<Expr<'_>>>().expect("there are terms"),
    ];
    assert!(uses.iter().all(Expr::is_poisoned));
    assert_eq!(g.check().expect_err("one mistake").0.len(), 1);
}

#[test]
fn the_line_is_the_users() {
    let g = Graph::new();
    let x = g.input("x", (2, 3));
    let declared = line!() - 1;
    let _ = x.softmax(4);
    let called = line!() - 1;
    let found = g.check().expect_err("one mistake").0;
    assert_eq!((found[0].site.line, found[0].operands[0].site.line), (called, declared));
    assert_eq!(found[0].site.file, "tests/it/diagnostics.rs");
}

/// The composite's own nodes have the line of its call; what a closure builds has its own.
#[test]
fn a_closure_keeps_its_lines() {
    const OF_LOG: u32 = line!() + 2;
    fn logarithm(x: Expr<'_>) -> Expr<'_> {
        x.log()
    }
    let g = Graph::new();
    let x = g.input("x", (2, 3));
    let y = x.greater(0.0).where_safe(x, 1.0, logarithm, 0.0);
    let called = line!() - 1;
    let lines = |name: &str| -> Vec<u32> {
        let named = g.ids().filter(|id| g.expr(*id).op().name() == name);
        named.map(|id| g.expr(id).site().line).collect()
    };
    assert_eq!((lines("select"), lines("log")), (vec![called, called], vec![OF_LOG]));
    assert!(!y.is_poisoned());
}

#[test]
fn a_derivative_has_the_line_of_what_it_came_from() {
    let g = Graph::new();
    let x = g.input("x", ());
    let y = x.tanh();
    let line = line!() - 1;
    let before = g.len();
    g.gradient(y, x);
    let sites: Vec<u32> = g.ids().skip(before + 1).map(|id| g.expr(id).site().line).collect();
    assert!(!sites.is_empty() && sites.iter().all(|found| *found == line), "{sites:?}");
}

#[test]
fn a_select_across_graphs_with_a_literal() {
    let (g, other) = (Graph::new(), Graph::new());
    g.input_of(DType::Bool, "c", ()).select(other.input("x", ()), 0.0);
    assert!(g.check().expect_err("one mistake").to_string().contains("an operand belongs to another graph"));
}

/// An id of another graph that this one is too small for is told with the line that asks for it.
#[test]
fn an_id_of_a_larger_graph_is_an_error() {
    let (small, large) = (Graph::new(), Graph::new());
    let x = small.input("x", ());
    let id = (large.input("x", ()).exp() + 1.0).id();
    let y = small.expr(id) + x;
    let report = small.check().expect_err("an id of another graph").to_string();
    assert!(y.is_poisoned() && report.contains("an operand belongs to another graph"), "{report}");
    assert!(report.contains("tests/it/diagnostics.rs"), "{report}");
}
