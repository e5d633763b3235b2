//! The text form: what is printed is read back, what is not a graph is refused with its place.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    DType, Dim, Expr, Graph, Initializer, Parsed, Shape, Value,
    graph::{Constant, DimSize, Input, Literal, Name, Op},
    ops,
    text::{ParseErrorKind, Parser},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Prints `result`, reads it back, and asserts that graph and text are the same.
#[track_caller]
fn assert_round_trip(result: Expr<'_>) -> Parsed {
    let graph = result.graph();
    assert_eq!(graph.check(), Ok(()));
    let text = graph.to_text([("y", result)]);
    let parsed = Graph::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(parsed.to_text(), text);
    assert_eq!(ops::verify(&parsed.graph), Ok(()), "{text}");
    assert_eq!(parsed.result("y").unwrap().ty(), result.ty());
    parsed
}

/// An input of the type of a value.
fn input_like<'g>(g: &'g Graph, name: &str, value: &Value) -> Expr<'g> {
    let shape = Shape::from(value.shape());
    g.apply_op(Op::Input(Input { name: Name(name.into()), dtype: value.dtype(), shape }), &[])
}

#[test]
fn every_sample_of_every_primitive_is_read_back() {
    let samples = ops::samples();
    assert!(samples.len() > 80, "{} samples", samples.len());
    for sample in samples {
        let g = Graph::new();
        let operands: Vec<Expr<'_>> =
            sample.operands.iter().enumerate().map(|(i, value)| input_like(&g, &format!("x{i}"), value)).collect();
        let result = g.apply_op(sample.op.clone(), &operands);
        let parsed = assert_round_trip(result);
        let read = parsed.result("y").unwrap().op();
        // NaN is not equal to itself; its text is.
        assert!(read == sample.op || format!("{read:?}") == format!("{:?}", sample.op), "{read:?}");
    }
}

#[test]
fn arrays_are_read_back_bit_for_bit() {
    fn bits(value: &Value) -> Vec<u64> {
        match value {
            Value::F32(array) => array.iter().map(|x| u64::from(x.to_bits())).collect(),
            Value::F64(array) => array.iter().map(|x| x.to_bits()).collect(),
            Value::I64(array) => array.iter().map(|x| *x as u64).collect(),
            Value::Bool(array) => array.iter().map(|x| u64::from(*x)).collect(),
        }
    }
    let single = array![
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        0.0,
        1e-45,
        f32::MIN_POSITIVE,
        f32::MIN,
        0.1,
        1.0 / 3.0
    ];
    let double = array![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 5e-324, f64::MAX, 0.1, 1.0 / 3.0, 1e16];
    let values: Vec<Value> = vec![
        single.into(),
        double.into(),
        array![[i64::MIN, i64::MAX], [0, -1]].into(),
        array![[true], [false]].into(),
        ArrayD::<f32>::zeros(IxDyn(&[2, 0, 3])).into(),
        ArrayD::from_elem(IxDyn(&[1, 1]), true).into(),
        array![[1.0f32, 2.0], [3.0, 4.0]].reversed_axes().into(),
    ];
    for value in values {
        let g = Graph::new();
        let literal = Literal::Array(Arc::new(value.clone()));
        let constant = Constant { value: literal, dtype: value.dtype(), shape: value.shape().into() };
        let parsed = assert_round_trip(g.apply_op(Op::Constant(constant), &[]));
        let Op::Constant(Constant { value: Literal::Array(read), .. }) = parsed.result("y").unwrap().op() else {
            panic!("{value:?} is not read back as an array");
        };
        assert_eq!((read.ty(), bits(&read)), (value.ty(), bits(&value)));
    }
}

#[test]
fn splats_are_read_back_bit_for_bit() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 5e-324, f64::MAX, 0.1, 1.0 / 3.0, 2.0, 1e16];
    let floats = numbers.iter().flat_map(|number| {
        [DType::F32, DType::F64].map(|dtype| (Literal::Number(*number), dtype, format!("{number:?}")))
    });
    let others = [
        (Literal::Integer(i64::MIN), DType::I64, "-9223372036854775808".to_string()),
        (Literal::Integer(0), DType::I64, "0".to_string()),
        (Literal::Number(1.0), DType::Bool, "true".to_string()),
        (Literal::Number(0.0), DType::Bool, "false".to_string()),
    ];
    // The greatest f64 is no f32.
    let held = floats.filter(|(value, dtype, _)| (value, dtype) != (&Literal::Number(f64::MAX), &DType::F32));
    for (value, dtype, text) in held.chain(others) {
        let g = Graph::new();
        let splat = Constant { value: value.clone(), dtype, shape: Shape::from(("batch", 1_000_000)) };
        let result = g.apply_op(Op::Constant(splat), &[]);
        assert_eq!(
            g.to_text(result),
            format!("format 1\n%0: {dtype}[batch, 1000000] = constant {text}\nreturn result = %0\n")
        );
        let parsed = assert_round_trip(result);
        let Op::Constant(constant) = parsed.result("y").unwrap().op() else { panic!("{value:?} is not a constant") };
        match (constant.value, value) {
            (Literal::Number(read), Literal::Number(number)) => assert_eq!(read.to_bits(), number.to_bits()),
            (read, value) => assert_eq!(read, value),
        }
    }
}

#[test]
fn initializers_are_read_back() {
    let initializers = [
        Initializer::Zeros,
        Initializer::Constant(-0.0),
        Initializer::Uniform { low: -1e-300, high: 0.1 },
        Initializer::Normal { mean: 0.0, deviation: f64::MAX },
        Initializer::GlorotUniform,
        Initializer::GlorotNormal,
        Initializer::HeUniform,
        Initializer::HeNormal,
        Initializer::TruncatedNormal { mean: -0.5, deviation: 0.02 },
        Initializer::LecunUniform,
        Initializer::LecunNormal,
        Initializer::FanInUniform,
        Initializer::Orthogonal { gain: f64::INFINITY },
    ];
    for initializer in initializers {
        for dtype in [DType::F32, DType::F64] {
            let g = Graph::new();
            let parameter = g.parameter_of(dtype, "layer.0.weight", (2, 3), initializer);
            let parsed = assert_round_trip(parameter);
            assert_eq!(parsed.result("y").unwrap().op(), parameter.op());
        }
    }
}

#[test]
fn sizes_are_read_back() {
    const MOST: i64 = 1 << 46;
    let (batch, time) = (Dim::symbol("batch"), Dim::symbol("größe_2"));
    let dims = [
        2 * batch.clone() * batch.clone() - 3 * time.clone() + 1,
        batch.clone() * batch.clone() * time.clone() * -1 - 5,
        Dim::from(-MOST),
        batch.clone() * -MOST + MOST,
        time.clone() - batch.clone() * MOST - MOST,
        std::iter::repeat_n(batch.clone(), 40).product::<Dim>() * std::iter::repeat_n(time, 24).product::<Dim>(),
        Dim::from(0),
    ];
    for dim in dims {
        let g = Graph::new();
        let size = g.apply_op(Op::DimSize(DimSize { dim: dim.clone(), dtype: DType::I64 }), &[]);
        let parsed = assert_round_trip(size);
        assert_eq!(parsed.result("y").unwrap().op(), size.op());
        if dim.as_number() != Some(-MOST) {
            assert_round_trip(Graph::new().input("x", (dim, 3)));
        }
    }
}

#[test]
fn a_graph_is_listed_from_its_results() {
    let g = Graph::new();
    g.input("unused", (7,));
    let x = g.input("x", ("batch", 2));
    let weight = g.parameter("hidden.weight", (2,), Initializer::Normal { mean: 0.0, deviation: 0.1 });
    let product = x * weight;
    let loss = (product + 0.1).sum();
    product.exp();
    insta::assert_snapshot!(g.to_text([("loss", loss), ("hidden.product", product), ("2 words\n", loss)]), @r#"
    format 1
    %0: f32[batch, 2] = input "x"
    %1: f32[2] = parameter "hidden.weight" initializer=normal(0.0, 0.1)
    %2: f32[batch, 2] = broadcast %1 axes=[1]
    %3: f32[batch, 2] = mul %0, %2
    %4: f32[batch, 2] = constant 0.1
    %5: f32[batch, 2] = add %3, %4
    %6: f32[] = sum %5 axes=[0, 1]
    return loss = %6, hidden.product = %3, "2 words\n" = %6
    "#);
}

#[test]
fn people_see_the_start_of_a_large_constant() {
    let g = Graph::new();
    let table = g.constant(ArrayD::from_shape_fn(IxDyn(&[100]), |index| index[0] as i64));
    let rate = g.constant(0.1f32);
    insta::assert_snapshot!(g.show([("table", table), ("rate", rate)]), @r#"
    %0: i64[100] = constant [0, 1, 2, 3, 4, 5, … 100 elements]
    %1: f32[] = constant 0.1
    return table = %0, rate = %1
    "#);
    insta::assert_snapshot!(g.to_text(rate), @r#"
    format 1
    %0: f32[] = constant 0.10000000149011612
    return result = %0
    "#);
}

#[test]
fn mistakes_and_foreign_handles_are_listed_as_poison() {
    let (g, other) = (Graph::new(), Graph::new());
    let wrong = g.input("x", (2,)) + g.input("y", (3,));
    let text = g.show([("wrong", wrong), ("foreign", other.input("z", ()))]);
    insta::assert_snapshot!(text, @r#"
    %0: f32[] = poison
    return wrong = %0, foreign = poison
    "#);
    assert_eq!(Graph::parse(&text).unwrap_err().kind.as_ref(), &ParseErrorKind::Poison);
    assert!(g.apply_op(wrong.op(), &[]).is_poisoned());
    assert_eq!(g.check().unwrap_err().0.len(), 2);
}

/// Sizes that no operand tells: of constants, counts, zeros of a derivative, and equations that need a second input.
#[test]
fn what_is_read_back_compiles_and_runs_wherever_the_sizes_were_told() {
    type Build = for<'g> fn(&'g Graph) -> Expr<'g>;
    let cases: [Build; 7] = [
        |g| g.input_of(DType::F64, "x", ("n",)).ones_like().sum(),
        |g| g.input_of(DType::F64, "x", ("n", 2)).zeros_like() + 1.0,
        |g| {
            g.input_of(DType::F64, "x", ("n",));
            g.dim_size("n", DType::F64) * 2.0
        },
        |g| {
            g.input_of(DType::F64, "x", ("n",));
            g.iota(DType::F64, ("n", 3), 0)
        },
        |g| {
            let (x, y) = (g.input_of(DType::F64, "x", ("n",)), g.input_of(DType::F64, "y", ()));
            g.gradient(y * y, x)
        },
        |g| {
            g.input_of(DType::F64, "x", ("n",));
            let both = g.input_of(DType::F64, "both", (Dim::symbol("n") + Dim::symbol("m"),));
            both.sum() * g.dim_size("m", DType::F64)
        },
        |g| {
            g.input_of(DType::F64, "x", ("n",));
            g.input_of(DType::F64, "product", (Dim::symbol("n") * Dim::symbol("m"),));
            g.dim_size("m", DType::F64) * 1.0
        },
    ];
    let feed = [("x", 3, 0), ("y", 0, 0), ("both", 3, 4), ("product", 3, 4)];
    for build in cases {
        let g = Graph::new();
        let parsed = assert_round_trip(build(&g));
        let run = |graph: &Graph, result: Expr<'_>| {
            let mut program = graph.compile(result).unwrap_or_else(|error| panic!("{error}\n{}", parsed.to_text()));
            let values = feed.iter().filter_map(|(name, n, m)| {
                let shape: Vec<usize> = match (*name, graph.named(name)?.rank()) {
                    (_, 0) => vec![],
                    ("both", _) => vec![n + m],
                    ("product", _) => vec![n * m],
                    (_, 1) => vec![*n],
                    _ => vec![*n, 2],
                };
                Some((*name, Value::F64(ArrayD::from_elem(IxDyn(&shape), 1.5))))
            });
            let values: Vec<(&str, Value)> = values.collect();
            let out = program.call(values).expect("it fits");
            out["result"].clone()
        };
        let simplified = g.simplify(build_result(&g), &pullback::Rewrites::default()).expect("no mistake");
        let wanted = run(&g, build_result(&g));
        assert_eq!(run(&parsed.graph, parsed.result("y").unwrap()), wanted);
        assert_eq!(run(&simplified.graph, simplified.results()[0].1), wanted);
    }

    /// The node that was made last.
    fn build_result(g: &Graph) -> Expr<'_> {
        g.expr(g.ids().next_back().expect("there is one"))
    }
}

#[test]
fn nothing_is_a_graph_too() {
    assert_eq!(Graph::new().to_text(()), "format 1\nreturn\n");
    assert_eq!(Graph::parse("return").unwrap().to_text(), "format 1\nreturn\n");
}

#[test]
fn comments_spaces_and_dead_nodes_are_read_and_not_kept() {
    let text = "# a comment with é\r\n\r\n  %0:f32[ 1*2 ,b+b-0]=input\t\"x\"# as fed\r\n %1: f32[2, 2*b] = exp %0\r\n\
                \t%2: f32[2, 2*b] = add%0,%0\r\nreturn \"y\"=%2 ,  \"a b\" = %0 # end\r\n\r\n# more";
    let parsed = Graph::parse(text).unwrap();
    assert_eq!(parsed.graph.len(), 3);
    assert_eq!(parsed.result("y").unwrap().site().to_string(), "graph text:5:2");
    insta::assert_snapshot!(parsed.to_text(), @r#"
    format 1
    %0: f32[2, 2*b] = input "x"
    %1: f32[2, 2*b] = add %0, %0
    return y = %1, "a b" = %0
    "#);
}

/// Texts and the errors that they must give; `{x}` is a line that defines %0, `{sizes}` eleven sums.
const MALFORMED: &[(&str, &str)] = &[
    ("", "1:1: expected `return`, found the end"),
    ("# nothing\n  ", "2:3: expected `return`, found the end"),
    ("{x}", "2:1: expected `return`, found the end"),
    ("hello", "1:1: expected a node, `update`, `carry` or `return`, found `hello`"),
    ("{x}return y", "2:9: expected `=`, found the end of the line"),
    ("{x}return y = 0", "2:12: expected the number of a node, found `0`"),
    ("{x}return y = %", "2:12: expected the number of a node, found `%`"),
    ("{x}return y = %1", "2:12: %1 is not defined above"),
    ("{x}return a..b = %0", "2:8: expected a name, found `a`"),
    ("{x}return y = %0, y = %0", r#"2:16: the name "y" is taken above"#),
    ("{x}return y = %0 z", "2:15: expected the end of the line, found `z`"),
    ("{x}return y = %0\nreturn z = %0", "3:1: expected nothing after `return`, found `return`"),
    ("{x}returned = %0", "2:1: expected a node, `update`, `carry` or `return`, found `returned`"),
    ("%1: f32[] = input \"x\"", "1:1: expected the definition of %0, found %1"),
    ("%99999999999999999999: f32[] = input \"x\"", "1:1: `99999999999999999999` does not fit here"),
    ("%0 f32[] = input \"x\"", "1:4: expected `:`, found `f32`"),
    ("%0: f16[] = input \"x\"", "1:5: expected f32, f64, i64 or bool, found `f16`"),
    ("%0: f32 = input \"x\"", "1:9: expected `[`, found `=`"),
    ("%0: f32[2 = input \"x\"", "1:11: expected `,` or `]`, found `=`"),
    ("%0: f32[2,] = input \"x\"", "1:11: expected a size, found `]`"),
    ("%0: f32[2.5] = input \"x\"", "1:10: expected `,` or `]`, found `.`"),
    ("%0: f32[-3] = input \"x\"", "1:15: axis 0 would have the negative size -3"),
    ("%0: f32[9223372036854775808] = input \"x\"", "1:9: `9223372036854775808` does not fit here"),
    (
        "%0: f32[b^65] = input \"x\"",
        "1:11: this size is too large a polynomial: a term has at most 64 symbols, and a shape at most 1024 terms when it is multiplied out",
    ),
    (
        "%0: f32[b^64*b] = input \"x\"",
        "1:9: this size is too large a polynomial: a term has at most 64 symbols, and a shape at most 1024 terms when it is multiplied out",
    ),
    ("%0: f32[b^-1] = input \"x\"", "1:11: expected an exponent, found `-`"),
    ("%0: f32[b^] = input \"x\"", "1:11: expected an exponent, found `]`"),
    (
        "%0: f32[{sizes}] = input \"x\"",
        "1:79: this size is too large a polynomial: a term has at most 64 symbols, and a shape at most 1024 terms when it is multiplied out",
    ),
    (
        "%0: f32[4000000000, 4000000000] = input \"x\"",
        "1:35: an array of shape [4000000000, 4000000000] has too many elements",
    ),
    ("%0: f32[] input \"x\"", "1:11: expected `=`, found `input`"),
    ("%0: f32[] = ", "1:13: expected an operation, found the end of the line"),
    ("%0: f32[] = frobnicate", "1:13: no operation is called `frobnicate`"),
    ("%0: f32[] = reduce", "1:13: no operation is called `reduce`"),
    ("%0: f32[] = poison", "1:13: `poison` stands for an error in the graph that was printed; it cannot be read back"),
    ("%0: f32[] = input", r#"1:18: expected `"`, found the end of the line"#),
    ("%0: f32[] = input x", r#"1:19: expected `"`, found `x`"#),
    ("%0: f32[] = input \"x", r#"1:21: expected `"`, found the end of the line"#),
    ("%0: f32[] = input \"x\\q\"", "1:21: expected an escape, found `\\`"),
    ("%0: f32[] = input \"é\\u{d800}\"", "1:21: expected a character's number, found `\\`"),
    (
        "%0: f32[] = input \"2x\"",
        r#"1:13: "2x" is not a name: use letters, digits, `_` and `.`, starting with a letter or `_`"#,
    ),
    ("%0: f32[] = input \"x\" rank=3", "1:23: expected the end of the line, found `rank`"),
    ("{x}%1: f32[] = input \"x\"", r#"2:19: the name "x" is taken above"#),
    ("{x}%1: f32[2, b] = exp %1", "2:21: %1 is not defined above"),
    ("{x}%1: f32[2, b] = exp 0", "2:21: expected the end of the line, found `0`"),
    ("{x}%1: f32[2, b] = exp %0, %0", "2:17: expected 1 operands, found 2"),
    ("{x}%1: f32[2, b] = exp %0,", "2:24: expected the number of a node, found the end of the line"),
    ("{x}%1: f32[2, b] = add %0", "2:17: expected 2 operands, found 1"),
    ("{x}%1: f32[2, 2*b] = exp %0", "2:5: the type is written f32[2, 2*b], but the operation gives f32[2, b]"),
    ("{x}%1: f64[2, b] = exp %0", "2:5: the type is written f64[2, b], but the operation gives f32[2, b]"),
    ("{x}%1: f32[b] = sum %0", "2:20: expected `axes=`, found the end of the line"),
    ("{x}%1: f32[b] = sum %0 axis=[0]", "2:21: expected `axes=`, found `axis`"),
    ("{x}%1: f32[b] = sum %0 axes=0", "2:26: expected `[`, found `0`"),
    ("{x}%1: f32[b] = sum %0 axes=[é]", "2:27: expected a number, found `é`"),
    ("{x}%1: f32[b] = sum %0 axes=[-1]", "2:27: `-1` does not fit here"),
    ("{x}%1: f32[b] = sum %0 axes=[2]", "2:14: axes [2] are not distinct and ascending within 2 axes"),
    ("{x}%1: f32[b] = sum %0 axes=[18446744073709551616]", "2:27: `18446744073709551616` does not fit here"),
    ("{x}%1: f32[b] = sum %0 axes=[70368744177665]", "2:14: axes must be at most 70368744177664, found 70368744177665"),
    ("{x}%1: f32[2, b] = integer_power %0 exponent=2.5", "2:43: `2.5` does not fit here"),
    (
        "%0: f32[2] = parameter \"w\" initializer=ones",
        "1:40: expected zeros, constant(c), uniform(low, high), normal(mean, deviation), truncated_normal(mean, deviation), glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, fan_in_uniform, orthogonal(gain) or key, found `ones`",
    ),
    (
        "%0: f32[2] = parameter \"w\" initializer=normal(0.0)",
        "1:40: expected zeros, constant(c), uniform(low, high), normal(mean, deviation), truncated_normal(mean, deviation), glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, fan_in_uniform, orthogonal(gain) or key, found `normal`",
    ),
    ("%0: f32[2] = parameter \"w\" initializer=constant(1.0", "1:52: expected `)`, found the end of the line"),
    (
        "%0: f32[b] = parameter \"w\" initializer=zeros",
        "1:14: the shape [b] of a parameter or state has a symbol in it",
    ),
    ("%0: f32[2] = constant", "1:22: expected a number, found the end of the line"),
    ("%0: f32[2] = constant [1.0]", "1:23: expected 2 elements, found 1"),
    ("%0: f32[2] = constant [1.0, x]", "1:29: `x` does not fit here"),
    ("%0: f32[2] = constant [1.0 2.0]", "1:28: expected `,` or `]`, found `2`"),
    (
        "%0: f32[b] = constant [1.0]",
        "1:23: expected one number for all elements of an array with symbols in its shape, found `[`",
    ),
    ("%0: i64[2] = constant 0.5", "1:23: `0.5` does not fit here"),
    ("%0: bool[] = constant 1", "1:23: `1` does not fit here"),
    (
        "%0: f32[9] = constant [0.0, … 9 elements]",
        "1:29: this array is abbreviated; print the graph in its exact form to read it back",
    ),
];

#[test]
fn what_is_not_a_graph_is_refused_with_its_place() {
    let x = "%0: f32[2, b] = input \"x\"\n";
    let sizes = ["a + b"; 11].join(", ");
    for (text, expected) in MALFORMED {
        let text = text.replace("{x}", x).replace("{sizes}", &sizes);
        let error = Graph::parse(&text).expect_err(&text).to_string();
        assert_eq!(error.lines().next(), Some(*expected), "{text}");
    }
}

/// What to do about a text is in the line below what is wrong with it, where it is known.
#[test]
fn what_is_wrong_with_a_text_is_told_with_the_mend() {
    let x = "%0: f32[2, b] = input \"x\"\n";
    for (rest, mend) in [
        ("%1: f32[2, b] = sigmiod %0", Some("the nearest name is `sigmoid`")),
        ("%1: f32[2, b] = frobnicate %0", Some("if it is one of your own, read the text by `Graph::parse_with`")),
        ("%2: f32[2, b] = exp %0", Some("number nodes line by line: this one is %1")),
        ("%1: f64[2, b] = exp %0", Some("write f32[2, b], or change the operands")),
        ("%1: f32[] = input \"x\"", Some("give each a name of its own")),
        ("return y = %0, y = %0", Some("give each a name of its own")),
        ("%1: f32[] = poison", Some("mend the error, which `Graph::check` tells, and print the graph again")),
        ("%1: f32[2, b] = exp %0, %0", Some("give it 1")),
        ("return y = %1", None),
    ] {
        let error = Graph::parse(&format!("{x}{rest}")).expect_err(rest).to_string();
        let told = error.split_once("\n   = help: ").map(|(_, mend)| mend);
        assert_eq!(told, mend, "{error}");
    }
}

#[test]
fn a_shape_of_many_sums_is_built_and_not_read() {
    let g = Graph::new();
    let x = g.input("x", vec![Dim::symbol("a") + 1; 200]);
    assert_eq!(g.check(), Ok(()));
    assert_eq!(Graph::parse(&g.to_text(x)).unwrap_err().kind.as_ref(), &ParseErrorKind::LargePolynomial);
}

const SEED_TEXT: &str = r#"# every kind of attribute
%0: f32[2*batch^2 - 3*time + 1, 4] = input "x.0"
%1: f64[2, 3] = parameter "w" initializer=normal(0.0, 0.1)
%2: f32[2] = constant [NaN, -1e-45]
%3: i64[3] = constant -9223372036854775808
%4: bool[2] = constant [true, false]
%5: f32[2*batch^2 - 3*time + 1] = sum %0 axes=[1]
%6: f32[2*batch^2 - 3*time + 1] = integer_power %5 exponent=-2
%7: f32[2*batch^2 - 3*time + 1] = mul %5, %6
%8: i64[3] = iota axis=0
%9: i64[] = dim_size dim=batch + 1
%10: f64[3, 2] = transpose %1 permutation=[1, 0]
%11: f64[2, 2] = slice %10 start=[0, 0] stop=[3, 2] step=[2, 1]
%12: f64[4] = reshape %11
%13: f64[7, 4] = broadcast %12 axes=[1]
%14: f32[2] = select %4, %2, %2
%15: f32[4] = concat %14, %2 axis=0
%16: f32[time + 11] = pad %15 low=[time] high=[1] interior=[2]
%17: bool[3] = less_equal %3, %8
%18: f64[7, 4] = atan2 %13, %13
return y = %18, "größe 2" = %7, z.1 = %16, s = %9, t = %17, u = %10
"#;

/// One to three edits: a character removed, doubled, replaced or moved from elsewhere, or a piece copied.
fn mutate(text: &str, rng: &mut impl Rng) -> String {
    const ALPHABET: &[char] = &[
        ' ', '\n', '%', '[', ']', '(', ')', ',', '=', '"', '\\', '*', '^', '+', '-', '.', '#', '0', '1', '9', 'a', 'e',
        'é', '…', '𝛁', '\u{301}', '\0', '\r', '{', 'u',
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..=3) {
        let at = rng.random_range(0..chars.len());
        match rng.random_range(0..6) {
            0 => drop(chars.remove(at)),
            1 => chars.insert(at, chars[at]),
            2 => chars[at] = ALPHABET[rng.random_range(0..ALPHABET.len())],
            3 => chars.insert(at, ALPHABET[rng.random_range(0..ALPHABET.len())]),
            4 => chars[at] = chars[rng.random_range(0..chars.len())],
            _ => {
                let from = rng.random_range(0..chars.len());
                let piece = chars[from..(from + rng.random_range(1..40)).min(chars.len())].to_vec();
                chars.splice(at..at, piece);
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_mutation_of_a_text_breaks_the_parser() {
    let canonical = Graph::parse(SEED_TEXT).unwrap().to_text();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let text = mutate(&canonical, &mut rng);
        let all = Parser::new().parse_all(&text);
        assert_eq!(all.as_ref().err().map(|errors| &errors.0[0]), Graph::parse(&text).as_ref().err(), "{text}");
        match Graph::parse(&text) {
            Ok(parsed) => {
                read += 1;
                let printed = parsed.to_text();
                assert_eq!(ops::verify(&parsed.graph), Ok(()), "{text}");
                let again = Graph::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{text}\n{printed}"));
                assert_eq!(again.to_text(), printed, "{text}");
            }
            Err(error) => {
                refused += 1;
                let line = text.split('\n').nth(error.line as usize - 1).expect("an error is on a line of the text");
                assert!(error.column as usize <= line.chars().count() + 1, "{error}\n{text}");
            }
        }
    }
    assert!(read > 500 && refused > 5_000, "{read} read, {refused} refused");
}

#[test]
fn a_chain_of_a_hundred_thousand_nodes_is_printed_and_read() {
    let g = Graph::new();
    let mut y = g.input("x", ("batch",));
    for _ in 0..100_000 {
        y = y.tanh();
    }
    let parsed = assert_round_trip(y);
    assert_eq!((g.len(), parsed.graph.len()), (100_001, 100_001));
}

/// A text says its format; one without is of the first, and one of a later format is refused by name.
#[test]
fn a_text_says_its_format() {
    let g = Graph::new();
    let text = g.to_text(g.input("x", (2,)).exp());
    assert!(text.starts_with("format 1\n%0: "), "{text}");
    let without = text.strip_prefix("format 1\n").expect("it begins so");
    assert_eq!(Graph::parse(without).expect("of the first format").to_text(), text);
    let later = Graph::parse(&text.replace("format 1", "# made elsewhere\n\n format 2")).unwrap_err();
    assert_eq!((later.line, later.column, &*later.kind), (3, 9, &ParseErrorKind::Format { found: 2 }));
    for wrong in ["format", "format x", "format 1 1", "format 1\nformat 1", "formats 1"] {
        let text = format!("{wrong}\n{without}");
        assert!(Graph::parse(&text).is_err(), "{text}");
    }
    assert!(Graph::parse(&without.replace("%1", "format 1\n%1")).is_err());
}

/// All that is wrong is told, once each: not what only follows from it, and nothing behind what cannot be gone on from.
#[test]
fn every_mistake_of_a_text_is_told() {
    let x = "%0: f32[2, b] = input \"x\"";
    let cases: &[(&[&str], &[&str])] = &[
        (
            &[x, "%1: f32[3] = exp %0", "%2: f32[3] = exp %1", "%3: f32[2, b] = ex %0", "return y = %2"],
            &["2:5", "4:17"],
        ),
        // An operand is looked at before attributes, so that line 3 says nothing.
        (&[x, "%1: f32[2, b] = ex %0", "%2: f32[2] = sum %1 axis=1", "return y = %2, z = %9"], &["2:17"]),
        (&[x, "%1: f32[2, b] = exp %9", "%2: f32[2, b] = exp %2", "return y = %1"], &["2:21", "3:21"]),
        // A line left out, and a number that is none.
        (&[x, "%3: f32[2, b] = exp %0", "%4: f32[2, b] = ex %0", "%5: f32[2, b] = exp %4", "return"], &["2:1", "3:17"]),
        (&[x, "%900: f32[2, b] = exp %0", "%2: f32[2, b] = exp %1", "return y = %2"], &["2:1"]),
        (&[x, "%0: f32[2, b] = exp %0", "%1: f32[2, b] = exp %0", "return y = %1"], &["2:1"]),
        (&[x, "hello", "return y = %1", "more", "more"], &["2:1", "3:12", "4:1"]),
        (&["format 2", "%0 = x"], &["1:8"]),
        (&[x, "%1: f32[2, b] = ex %0"], &["2:17", "2:22"]),
        // In a body: what uses it follows.
        (
            &[
                "body 0 {",
                "%0: f32[] = argument index=1",
                "%1: f32[] = exp %0",
                "%2: f32[] = constant x",
                "return %1",
                "}",
                "%0: f32[] = input \"x\"",
                "%1: f32[] = call %0 body=0 output=1",
                "%2: f32[] = call %0 body=1 output=1",
                "return y = %1",
            ],
            &["2:13", "4:22", "9:26"],
        ),
        (&["body 7 {", "%0: f32[] = argument index=0", "return %5", "}", "return y = %1"], &["1:6", "3:8", "5:12"]),
        (&["body 0 {", "%0: f32[] = argument index=0", "}", x, "return y = %0"], &["3:1"]),
        (&["body 0 {", "%0: f32[] = argument index=0", "return %0", "%1: f32[] = exp %0", "}", "return"], &["4:1"]),
    ];
    for (lines, places) in cases {
        let text = lines.join("\n");
        let errors = Parser::new().parse_all(&text).expect_err(&text);
        let found: Vec<String> = errors.0.iter().map(|error| format!("{}:{}", error.line, error.column)).collect();
        assert_eq!(found, *places, "{text}\n{errors}");
    }
}
