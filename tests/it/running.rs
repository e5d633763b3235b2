//! Running products and extremes, segments, searches, interpolation, shifts, Kronecker products and masks against loops that
//! are written out; ties, NaN, infinities and what is empty; derivatives to second order.

use ndarray::{Array1, Array2, ArrayD, Axis, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Options, RunError, Side, Value, check::prove_expression, ops::Smoothness,
};

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

/// The value of an expression without leaves, from both engines, which must agree to a rounding or two.
fn value(y: Expr<'_>) -> ArrayD<f64> {
    let compute = |evaluation| {
        let options = Options { evaluation, ..Options::default() };
        let mut program = y.graph().compile_with(y, &options).expect("no mistake");
        match program.call(()).expect("it runs")["result"].clone() {
            Value::F64(array) => array,
            Value::I64(array) => array.mapv(|x| x as f64),
            other => panic!("{other:?}"),
        }
    };
    let (found, expected) = (compute(Evaluation::Compiled), compute(Evaluation::Reference));
    assert_same(&found, &expected);
    found
}

/// Equal, or off by the rounding of a few functions of numbers near 1.
fn assert_same(found: &ArrayD<f64>, expected: &ArrayD<f64>) {
    assert_eq!(found.shape(), expected.shape());
    let is_same = |f: &f64, e: &f64| f == e || f.is_nan() && e.is_nan() || (f - e).abs() <= 1e-13 * e.abs().max(1.0);
    assert!(found.iter().zip(expected).all(|(f, e)| is_same(f, e)), "{found}\nis not\n{expected}");
}

/// A lane with its first elements, one more at a time, through a function of these.
fn prefixes(x: &Array2<f64>, axis: usize, of: fn(&[f64]) -> f64) -> ArrayD<f64> {
    let mut out = x.clone();
    for (lane, mut out) in x.lanes(Axis(axis)).into_iter().zip(out.lanes_mut(Axis(axis))) {
        let lane = lane.to_vec();
        out.iter_mut().enumerate().for_each(|(place, out)| *out = of(&lane[..=place]));
    }
    out.into_dyn()
}

fn extreme(prefix: &[f64], beats: fn(f64, f64) -> bool) -> f64 {
    let better = |best: f64, x: &f64| {
        if best.is_nan() || x.is_nan() {
            NAN
        } else if beats(*x, best) {
            *x
        } else {
            best
        }
    };
    prefix.iter().fold(prefix[0], better)
}

/// With the greatest taken out, so that it is true to infinities.
fn logsumexp(prefix: &[f64]) -> f64 {
    let greatest = extreme(prefix, |x, best| x > best);
    if !greatest.is_finite() {
        return greatest;
    }
    greatest + prefix.iter().map(|x| (x - greatest).exp()).sum::<f64>().ln()
}

#[test]
fn what_runs_is_of_all_elements_up_to_each() {
    let far = f64::NEG_INFINITY;
    let corners = array![
        [0.5, -2.0, 3.0, 3.0, 0.0, -1.0],
        [far, far, -800.0, 2.0, INFINITY, 1.0],
        [1.0, 2.0, NAN, 7.0, NAN, -INFINITY],
        [-0.0, 0.0, 700.0, -700.0, 701.0, 5.0]
    ];
    for axis in [0usize, 1] {
        let g = Graph::new();
        let x = g.constant(corners.clone());
        let along = axis as i64 - 2;
        assert_same(&value(x.cumulative_max(along)), &prefixes(&corners, axis, |p| extreme(p, |x, best| x > best)));
        assert_same(&value(x.cumulative_min(along)), &prefixes(&corners, axis, |p| extreme(p, |x, best| x < best)));
        assert_same(&value(x.cumulative_product(along)), &prefixes(&corners, axis, |p| p.iter().product()));
        assert_same(&value(x.cumulative_logsumexp(along)), &prefixes(&corners, axis, logsumexp));
    }
    let g = Graph::new();
    let integers = g.constant(array![3i64, i64::MIN, i64::MAX, 0]);
    assert_eq!(value(integers.cumulative_argmax(0)), array![0.0, 0.0, 2.0, 2.0].into_dyn());
    assert_eq!(value(integers.cumulative_argmin(0)), array![0.0, 1.0, 1.0, 1.0].into_dyn());
    let empty = g.full(1.0f64, (2, 0));
    for y in [empty.cumulative_max(1), empty.cumulative_product(1), empty.cumulative_logsumexp(1)] {
        assert_eq!(value(y).shape(), [2, 0]);
    }
}

#[test]
fn derivatives_where_all_so_far_is_minus_infinity_are_zero() {
    let g = Graph::new();
    let x = g.constant(array![-INFINITY, -INFINITY, 1.0, -INFINITY, 1.0]);
    let slope = value(g.gradient(x.cumulative_logsumexp(0).slice(2..).sum(), x));
    assert_same(&slope, &array![0.0, 0.0, 2.5, 0.0, 0.5].into_dyn());
    let all = value(g.gradient(x.cumulative_logsumexp(0).sum(), x));
    assert_same(&all, &array![0.0, 0.0, 2.5, 0.0, 0.5].into_dyn());
}

#[test]
fn of_ties_the_first_has_the_derivative() {
    let g = Graph::new();
    let x = g.constant(array![1.0, 2.0, 2.0, 0.0]);
    assert_eq!(value(g.gradient(x.cumulative_max(0).sum(), x)), array![1.0, 3.0, 0.0, 0.0].into_dyn());
    let segments = g.constant(array![1i64, 0, 0, 1]);
    assert_eq!(value(g.gradient(x.segment_max(segments, 2).sum(), x)), array![1.0, 1.0, 0.0, 0.0].into_dyn());
    assert_eq!(value(g.gradient(x.segment_min(segments, 2).sum(), x)), array![0.0, 1.0, 0.0, 1.0].into_dyn());
}

#[test]
fn segments_are_reduced_each_for_itself() {
    let x = array![[1.0, -1.0], [5.0, NAN], [2.0, 3.0], [-4.0, 3.0], [2.0, -0.5]];
    let segments = array![3i64, 0, 3, 1, 3];
    let g = Graph::new();
    let (rows, of) = (g.constant(x.clone()), g.constant(segments.clone()));
    let reduce = |empty: f64, of: fn(f64, f64) -> f64| {
        let mut out = Array2::from_elem((4, 2), empty);
        for (row, segment) in x.rows().into_iter().zip(&segments) {
            out.row_mut(*segment as usize).iter_mut().zip(row).for_each(|(out, x)| *out = of(*out, *x));
        }
        out.into_dyn()
    };
    assert_same(&value(rows.segment_sum(of, 4)), &reduce(0.0, |a, b| a + b));
    let greatest = |a: f64, b: f64| if a.is_nan() || b.is_nan() { NAN } else { a.max(b) };
    let least = |a: f64, b: f64| if a.is_nan() || b.is_nan() { NAN } else { a.min(b) };
    assert_same(&value(rows.segment_max(of, 4)), &reduce(-INFINITY, greatest));
    assert_same(&value(rows.segment_min(of, 4)), &reduce(INFINITY, least));
    let integers = g.constant(array![i64::MIN, 7, i64::MAX]);
    let which = g.constant(array![0i64, 0, 0]);
    assert_eq!(value(integers.segment_min(which, 2)), array![i64::MIN as f64, i64::MAX as f64].into_dyn());
    assert_eq!(value(integers.segment_max(which, 2)), array![i64::MAX as f64, i64::MIN as f64].into_dyn());
}

#[test]
fn a_segment_that_is_not_there_is_an_error_of_the_run() {
    let g = Graph::new();
    let (x, s) = (g.input_of(DType::F64, "x", ("n",)), g.input_of(DType::I64, "s", ("n",)));
    let mut program = g.compile([("sum", x.segment_sum(s, 2)), ("max", x.segment_max(s, 2))]).expect("no mistake");
    let fed = |segment: i64| (Array1::from_elem(1, 1.0), Array1::from_elem(1, segment));
    for (segment, is_there) in [(-1, false), (0, true), (1, true), (2, false)] {
        let (x, s) = fed(segment);
        let out = program.call((("x", &x), ("s", &s)));
        assert_eq!(out.is_ok(), is_there, "{segment}");
        assert!(is_there || matches!(out, Err(RunError::Node { .. })));
    }
}

#[test]
fn interpolation_goes_through_its_points_and_stays_at_the_last() {
    let (places, heights) = ([-1.0, 0.0, 0.0, 2.0, 2.5], [3.0, 1.0, -1.0, 5.0, 4.0]);
    // From the definition: the segment whose end is the first beyond x.
    let truth = |x: f64| {
        if x.is_nan() {
            return NAN;
        }
        let above = places.iter().filter(|place| **place <= x).count();
        match above {
            0 => heights[0],
            5 => heights[4],
            above => {
                let part = (x - places[above - 1]) / (places[above] - places[above - 1]);
                heights[above - 1] + (heights[above] - heights[above - 1]) * part
            }
        }
    };
    let xs = array![[-9.0, -1.0, -0.25, 0.0], [1.0, 2.0, 2.25, 2.5], [7.0, NAN, INFINITY, -INFINITY]];
    let g = Graph::new();
    let points = (g.constant(Array1::from(places.to_vec())), g.constant(Array1::from(heights.to_vec())));
    assert_same(&value(g.constant(xs.clone()).interpolate(points.0, points.1)), &xs.mapv(truth).into_dyn());
}

#[test]
fn rolls_and_kronecker_products_are_those_of_the_formula() {
    let x = Array2::from_shape_fn((3, 4), |(i, j)| (10 * i + j) as f64);
    let g = Graph::new();
    for (shift, axis) in [(0, 0), (1, 0), (-1, 0), (7, 1), (-6, 1), (4, 1)] {
        let size = x.shape()[axis as usize] as i64;
        let expected = Array2::from_shape_fn((3, 4), |(i, j)| {
            let source = |place: usize| ((place as i64 - shift).rem_euclid(size)) as usize;
            if axis == 0 { x[[source(i), j]] } else { x[[i, source(j)]] }
        });
        assert_eq!(value(g.constant(x.clone()).roll(shift, axis)), expected.into_dyn());
    }
    assert_eq!(value(g.full(1.0f64, (2, 0)).roll(3, 1)).shape(), [2, 0]);
    let y = array![[1.0, 2.0], [3.0, 5.0]];
    let expected = Array2::from_shape_fn((6, 8), |(i, j)| x[[i / 2, j / 2]] * y[[i % 2, j % 2]]);
    assert_eq!(value(g.constant(x).kron(g.constant(y))), expected.into_dyn());
}

#[test]
fn what_is_masked_is_not_seen() {
    let g = Graph::new();
    let x = g.constant(array![[1.0, NAN, 3.0], [INFINITY, 2.0, 2.0], [NAN, NAN, NAN]]);
    let mask = g.constant(array![[true, false, true], [false, true, true], [false, false, false]]);
    let rows = |of: Expr<'_>| value(of);
    assert_same(&rows(x.masked_sum_over(mask, 1)), &array![4.0, 4.0, 0.0].into_dyn());
    assert_same(&rows(x.masked_mean_over(mask, 1)), &array![2.0, 2.0, NAN].into_dyn());
    assert_same(&rows(x.masked_max_over(mask, 1)), &array![3.0, 2.0, -INFINITY].into_dyn());
    assert_same(&rows(x.masked_min_over(mask, 1)), &array![1.0, 2.0, INFINITY].into_dyn());
    let first = 1.0 / (1.0 + 2f64.exp());
    let softmax = array![[first, 0.0, 1.0 - first], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]];
    assert_same(&rows(x.masked_softmax(mask, -1)), &softmax.into_dyn());
    for loss in [x.masked_sum_over(mask, 1), x.masked_max_over(mask, 1), x.masked_softmax(mask, -1) * 2.0] {
        let slopes = value(g.gradient(loss.square().sum(), x));
        assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes}");
        assert_eq!((slopes[[0, 1]], slopes[[1, 0]], slopes[[2, 2]]), (0.0, 0.0, 0.0));
    }
}

#[test]
fn derivatives_of_what_runs_are_those_by_differences() {
    type Build = for<'g> fn(Expr<'g>) -> Expr<'g>;
    let composites: [(&str, Build); 12] = [
        ("cumulative_product", |x| x.cumulative_product(1)),
        ("cumulative_product with a zero", |x| (x - 0.64).cumulative_product(1)),
        ("cumulative_max", |x| x.cumulative_max(0).square()),
        ("cumulative_min", |x| x.cumulative_min(1).square()),
        ("cumulative_logsumexp", |x| (3.0 * x).cumulative_logsumexp(1)),
        ("segment_sum", |x| x.segment_sum(x.graph().constant(array![1i64, 0]), 3).sin()),
        ("segment_max", |x| x.t().segment_max(x.graph().constant(array![1i64, 0, 1, 0]), 2).sin()),
        ("segment_min", |x| x.t().segment_min(x.graph().constant(array![1i64, 0, 1, 0]), 2).sin()),
        ("interpolate", |x| x.interpolate(x.graph().constant(array![-0.8, 0.03, 0.9]), x.slice((0, ..3)).sin())),
        ("roll", |x| x.roll(1, 1) * x),
        ("kron", |x| x.kron(x.slice((.., ..2)))),
        ("masked_softmax", |x| x.masked_softmax(x.graph().constant(array![[true, false, true, true]]), 1)),
    ];
    for (name, build) in composites {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (2, 4));
        let at = array![[0.31, -0.72, 0.55, 0.12], [-0.43, 0.64, -0.27, 0.86]];
        let proof = prove_expression(build(x), &[(x, at.into())], Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.expect_err("it is none"));
    }
}

#[test]
fn places_and_heights_of_points_have_derivatives_too() {
    let g = Graph::new();
    let (x, places, heights) =
        (g.input_of(DType::F64, "x", (4,)), g.input_of(DType::F64, "p", (3,)), g.input_of(DType::F64, "h", (3,)));
    let at = [
        (x, array![-2.0, 0.3, 1.1, 5.0].into()),
        (places, array![-1.0, 0.5, 2.0].into()),
        (heights, array![1.0, -2.0, 0.7].into()),
    ];
    prove_expression(x.interpolate(places, heights), &at, Smoothness::Smooth).expect("a derivative");
}

#[test]
fn mistakes_are_told_at_their_line() {
    let g = Graph::new();
    let (x, i) = (g.input_of(DType::F64, "x", (3, 2)), g.input_of(DType::I64, "i", (3,)));
    let b = g.input_of(DType::Bool, "b", (3, 2));
    let mistaken = [
        i.cumulative_product(0),
        i.cumulative_logsumexp(0),
        b.cumulative_max(0),
        x.cumulative_product(2),
        x.segment_sum(i.slice(..2), 4),
        x.segment_max(x, 4),
        b.segment_sum(i, 4),
        g.constant(1.0).segment_sum(i, 4),
        i.search_sorted(x, Side::Left),
        x.interpolate(x, x),
        i.interpolate(i, i),
        x.roll(1, 2),
        x.kron(g.constant(1.0)),
        x.masked_fill(x, 0.0),
        x.masked_sum_over(b.t(), 1),
        i.masked_mean_over(i.equal(0), 0),
        i.masked_fill(i.equal(0), 0.5),
    ];
    assert!(mistaken.iter().all(|result| result.is_poisoned()));
    let mistakes = g.check().expect_err("there are mistakes").0;
    assert_eq!(mistakes.len(), mistaken.len(), "{mistakes:?}");
    assert!(mistakes.iter().all(|mistake| mistake.site.file.ends_with("running.rs")));
}
