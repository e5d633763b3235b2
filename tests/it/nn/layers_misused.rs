//! Mistakes with layers: one diagnostic each, with the user's line, and never a panic. Sizes that are symbols where that is
//! possible; infinities that stay where they are.

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    Convolve, ConvolveTranspose, DType, Diagnostics, Expr, Graph, Initializer, Value,
    nn::{
        Align, Conv1d, Conv2d, ConvOptions, ConvTranspose2d, ConvTransposeOptions, GroupNorm, Layer, LayerNorm,
        NormOptions, RmsNorm, RmsNormOptions, SeparableConv2d, Upsample,
    },
};

type Mistake = for<'g> fn(&'g Graph) -> Expr<'g>;

fn image(g: &Graph) -> Expr<'_> {
    g.input("x", ("batch", 4, 6, 6))
}

fn symbolic(g: &Graph) -> Expr<'_> {
    g.input("x", ("batch", 4, "height", "width"))
}

fn grouped(groups: usize) -> (usize, Convolve) {
    (3, Convolve::valid().groups(groups))
}

const MISTAKES: &[(Mistake, &str)] = &[
    (
        |g| Conv2d::new(g, "l", 3, 8, 3).call(image(g)),
        "4 input and 8 output channels do not fit a kernel for 3 in 1 groups",
    ),
    (|g| Conv1d::new(g, "l", 4, 8, 3).call(image(g)), "expected 3 axes, found shape [batch, 4, 6, 6]"),
    (|g| Conv2d::new(g, "l", 4, 8, 7).call(image(g)), "axis 2 has size 6 with its padding, and the window spans 7"),
    (|g| Conv2d::new(g, "l", 4, 8, [3, 3, 3]).call(image(g)), "the size of the kernel has 3 entries for 2 axes"),
    (|g| Conv2d::new(g, "l", 4, 8, 0).call(image(g)), "the size of the kernel must be at least 1, found 0"),
    (|g| Conv2d::with(g, "l", 4, 6, grouped(4)).call(image(g)), "groups must be a divisor of the channels"),
    (|g| Conv2d::with(g, "l", 4, 6, grouped(0)).call(image(g)), "groups must be at least 1, found 0"),
    (
        |g| Conv2d::with(g, "l", 4, 4, (3, Convolve::valid().stride([1, 2, 3]))).call(image(g)),
        "stride has 3 entries for 2 axes",
    ),
    (
        |g| Conv2d::with(g, "l", 4, 4, ConvOptions { dtype: DType::F64, ..ConvOptions::default() }).call(image(g)),
        "operands have different dtypes, f32 and f64",
    ),
    (
        |g| Conv2d::with(g, "l", 4, 4, ConvOptions { dtype: DType::I64, ..ConvOptions::default() }).call(image(g)),
        "expected a float, found i64",
    ),
    (
        |g| {
            g.parameter("l.weight", (2,), Initializer::Zeros);
            Conv2d::new(g, "l", 4, 8, 3).call(image(g))
        },
        "the name \"l.weight\" is taken",
    ),
    (
        |g| {
            g.parameter("l.depthwise.weight", (2,), Initializer::Zeros);
            SeparableConv2d::new(g, "l", 4, 8, 3).call(image(g))
        },
        "the name \"l.depthwise.weight\" is taken",
    ),
    (
        |g| Conv2d::with(g, "l", 4, 8, (3, Convolve::same().stride(2))).call(symbolic(g)),
        "a stride of 2 over size height",
    ),
    (|g| ConvTranspose2d::new(g, "l", 3, 8, 3).call(image(g)), "do not fit a kernel for 3 in 1 groups"),
    (
        |g| ConvTranspose2d::with(g, "l", 4, 8, (3, ConvolveTranspose::default().output_padding(1))).call(image(g)),
        "the output padding must be less than the stride or the dilation, found 1",
    ),
    (
        |g| ConvTranspose2d::with(g, "l", 4, 9, (3, ConvolveTranspose::default().groups(2))).call(image(g)),
        "groups must be a divisor of the channels",
    ),
    (
        |g| ConvTranspose2d::with(g, "l", 4, 8, (3, ConvolveTranspose::default().stride(0))).call(image(g)),
        "stride must be at least 1, found 0",
    ),
    (
        |g| ConvTranspose2d::with(g, "l", 4, 8, (3, ConvolveTranspose::default().padding(40))).call(image(g)),
        "and the window spans",
    ),
    (
        |g| image(g).convolve_transpose(g.input("kernel", (4, 2, 3, 3)), ConvolveTranspose::default().groups(3)),
        "4 input and 6 output channels do not fit",
    ),
    (|g| image(g).convolve_transpose(g.input("kernel", (4, 2, 3)), ConvolveTranspose::same()), "expected 4 axes"),
    (|g| LayerNorm::new(g, "l", 4).call(image(g)), "what the norm is called with must have shape [batch, 4, 6, 4]"),
    (|g| LayerNorm::new(g, "l", 4).call(g.input("x", ("batch", 1))), "must have shape [batch, 4], found [batch, 1]"),
    (|g| LayerNorm::new(g, "l", 4).call(g.input("x", ())), "a scalar has no axes"),
    (
        |g| LayerNorm::with(g, "l", 6, NormOptions { epsilon: 0.0, ..NormOptions::default() }).call(image(g)),
        "epsilon must be positive, found 0",
    ),
    (|g| RmsNorm::new(g, "l", 5).call(image(g)), "must have shape [batch, 4, 6, 5]"),
    (
        |g| RmsNorm::with(g, "l", 6, RmsNormOptions { epsilon: 1e-60, ..RmsNormOptions::default() }).call(image(g)),
        "epsilon must be positive, found 1e-60",
    ),
    (|g| GroupNorm::new(g, "l", 3, 4).call(image(g)), "groups must be a divisor of the channels, found 3"),
    (|g| GroupNorm::new(g, "l", 0, 4).call(image(g)), "groups must be at least 1, found 0"),
    (|g| GroupNorm::new(g, "l", 2, 6).call(image(g)), "must have shape [batch, 6, 6, 6], found [batch, 4, 6, 6]"),
    (|g| GroupNorm::new(g, "l", 2, 6).call(g.input("x", (6,))), "axis 1 is out of range for 1 axes"),
    (|g| symbolic(g).adaptive_avg_pool(3), "a spatial size must be a number, found height"),
    (|g| symbolic(g).adaptive_max_pool([1, 3]), "a spatial size must be a number, found height"),
    (|g| image(g).adaptive_avg_pool([2, 0]), "a size of the result must be at least 1, found 0"),
    (|g| image(g).adaptive_max_pool([2, 2, 2]), "the size of the result has 3 entries for 2 axes"),
    (|g| image(g).adaptive_avg_pool(usize::MAX), "must be at most"),
    (|g| image(g).adaptive_max_pool(1 << 60), "must be at most"),
    (|g| image(g).adaptive_avg_pool(1 << 45), "has too many elements"),
    (|g| g.input("x", ("batch", 2, 0)).adaptive_avg_pool(2), "a spatial size must be at least 1, found 0"),
    (|g| g.input("x", ("batch", 2)).adaptive_max_pool(2), "expected at least 3 axes"),
    (|g| g.input_of(DType::I64, "x", ("batch", 2, 4)).adaptive_avg_pool(2), "expected a float, found i64"),
    (|g| g.input("x", ("batch", 2)).global_avg_pool(), "expected at least 3 axes"),
    (|g| g.input("x", ("batch", 2)).global_max_pool(), "expected at least 3 axes"),
    (|g| g.input("x", ("batch", 2)).upsample_nearest(2), "expected at least 3 axes"),
    (|g| image(g).upsample_nearest([2, 2, 2]), "a factor has 3 entries for 2 axes"),
    (|g| image(g).upsample_nearest(0), "a factor must be at least 1, found 0"),
    (|g| image(g).upsample_nearest(Upsample::by_fraction(0.1)), "a size of the result must be at least 1, found 0"),
    (
        |g| image(g).upsample_nearest(Upsample::by_fraction(f64::NAN)),
        "the factor must be positive and finite, found NaN",
    ),
    (|g| image(g).upsample_nearest(Upsample::by_fraction(1e300)), "must be at most"),
    (|g| image(g).upsample_nearest(usize::MAX), "must be at most"),
    (|g| image(g).upsample_linear(Upsample::to(usize::MAX), Align::Edges), "must be at most"),
    (|g| image(g).upsample_linear(Upsample::by_fraction(-1.5), Align::Edges), "the factor must be positive and finite"),
    (|g| symbolic(g).upsample_linear(Upsample::by_fraction(1.5), Align::Corners), "must be a number, found height"),
    (|g| symbolic(g).upsample_nearest(Upsample::to(9)), "a spatial size must be a number, found height"),
    (|g| g.input("x", ("batch", 2, 0)).upsample_linear(2, Align::Edges), "a spatial size must be at least 1, found 0"),
    (|g| g.input_of(DType::I64, "x", (1, 2, 4)).upsample_linear(2, Align::Edges), "expected a float, found i64"),
    (|g| image(g).standardize(4, 1e-5), "axis 4 is out of range for 4 axes"),
    (|g| image(g).divide_by_rms(-1, f64::INFINITY), "epsilon must be finite in f32, found inf"),
];

#[test]
fn every_mistake_with_a_layer_is_one_error_on_the_users_line() {
    let mut wrong = Vec::new();
    for (position, (mistake, expected)) in MISTAKES.iter().enumerate() {
        let g = Graph::new();
        mistake(&g);
        let found = g.check().map_or_else(|found| found.0, |()| Vec::new());
        let is_one = found.len() == 1 && found[0].to_string().contains(expected) && found[0].site.file == file!();
        if !is_one {
            wrong.push(format!("mistake {position}, {expected:?}: {}", Diagnostics(found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Sizes of images are known when they are fed.
#[test]
fn layers_of_images_take_sizes_that_are_symbols() {
    let g = Graph::new();
    let x = symbolic(&g);
    let doubled = ConvTransposeOptions::from((4, ConvolveTranspose::same().stride(2)));
    let results = [
        ("conv", Conv2d::with(&g, "conv", 4, 2, (3, Convolve::same())).call(x)),
        ("transposed", ConvTranspose2d::with(&g, "transposed", 4, 2, doubled).call(x)),
        ("group norm", GroupNorm::new(&g, "norm", 2, 4).call(x)),
        ("instance norm", GroupNorm::instance(&g, "instance", 4, NormOptions::default()).call(x)),
        ("global average", x.global_avg_pool()),
        ("global maximum", x.global_max_pool()),
        ("nearest", x.upsample_nearest([2, 3])),
        ("edges", x.upsample_linear(2, Align::Edges)),
        ("corners", x.upsample_linear(3, Align::Corners)),
    ];
    let total = results.iter().map(|(_, result)| result.square().sum()).reduce(|sum, term| sum + term).expect("some");
    let gradient = g.gradient(total, x);
    let mut program =
        g.compile(results.into_iter().chain([("gradient", gradient)]).collect::<Vec<_>>()).expect("no mistake");
    let parameters = g.initialize(0).expect("they fit");
    for (height, width) in [(3, 5), (1, 1), (4, 2)] {
        let x = ArrayD::from_shape_fn(IxDyn(&[2, 4, height, width]), |i| ((i[1] * 5 + i[2] * 3 + i[3]) % 7) as f32);
        let out = program.run(&parameters, ("x", &x)).expect("it runs");
        let shape = |name: &str| out[name].shape().to_vec();
        assert_eq!(shape("conv"), [2, 2, height, width]);
        assert_eq!(shape("transposed"), [2, 2, 2 * height, 2 * width]);
        assert_eq!(shape("nearest"), [2, 4, 2 * height, 3 * width]);
        assert_eq!(shape("edges"), [2, 4, 2 * height, 2 * width]);
        assert_eq!(shape("corners"), [2, 4, 3 * height, 3 * width]);
        assert_eq!(shape("gradient"), x.shape());
    }
}

/// Where the weight of an element is 0 it is not read, and windows see their own elements alone.
#[test]
fn an_infinite_element_reaches_no_place_that_does_not_see_it() {
    let g = Graph::new();
    let x = g.input("x", (1, 1, 5));
    let results = [
        ("average", x.adaptive_avg_pool(3)),
        ("maximum", (-x).adaptive_max_pool(3)),
        ("edges", x.upsample_linear(3, Align::Edges)),
        ("corners", x.upsample_linear(Upsample::to(9), Align::Corners)),
        ("nearest", x.upsample_nearest(Upsample::to(7))),
    ];
    let mut program = g.compile(results).expect("no mistake");
    let inf = f32::INFINITY;
    let out = program.call(("x", &array![[[0f32, 0.0, inf, 0.0, 0.0]]])).expect("it runs");
    let expect = |name: &str, row: &[f32]| {
        let found: Vec<f32> = out[name].array::<f32>().expect("f32").iter().copied().collect();
        assert_eq!(found, row, "{name}");
    };
    // Windows 0..2, 1..4, 3..5.
    expect("average", &[0.0, inf, 0.0]);
    expect("maximum", &[0.0, 0.0, 0.0]);
    expect("edges", &[0.0, 0.0, 0.0, 0.0, 0.0, inf, inf, inf, inf, inf, 0.0, 0.0, 0.0, 0.0, 0.0]);
    expect("corners", &[0.0, 0.0, 0.0, inf, inf, inf, 0.0, 0.0, 0.0]);
    expect("nearest", &[0.0, 0.0, 0.0, inf, inf, 0.0, 0.0]);
}

/// All of the derivative goes to the first in row-major order, whatever the windows are.
#[test]
fn adaptive_maxima_give_the_derivative_to_the_first_of_ties() {
    let g = Graph::new();
    let x = g.input("x", (1, 1, 5, 3));
    let gradient = g.gradient(x.adaptive_max_pool([2, 2]).sum(), x);
    let mut program = g.compile(gradient).expect("no mistake");
    let out = program.call(("x", &ArrayD::<f32>::zeros(IxDyn(&[1, 1, 5, 3])))).expect("it runs");
    let mut expected = ArrayD::<f32>::zeros(IxDyn(&[1, 1, 5, 3]));
    // Windows of rows 0..3 and 2..5, of columns 0..2 and 1..3.
    for place in [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 2, 0], [0, 0, 2, 1]] {
        expected[&place[..]] = 1.0;
    }
    assert_eq!(out["result"], Value::F32(expected));
}

/// One layer called twice has one set of parameters, and each call its own frame.
#[test]
fn layers_of_images_share_their_parameters_between_calls() {
    let g = Graph::new();
    let (x, y) = (g.input("x", ("batch", 4, 6, 6)), g.input("y", ("other", 4, 9, 9)));
    let conv = Conv2d::with(&g, "conv", 4, 4, (3, Convolve::same()));
    let norm = GroupNorm::new(&g, "norm", 2, 4);
    let both = [x, y].map(|image| norm.call(conv.call(conv.call(image))));
    assert_eq!(both.map(|image| image.shape()), [x.shape(), y.shape()]);
    assert_eq!(g.parameters().len(), 4);
    assert!(g.check().is_ok());
}
