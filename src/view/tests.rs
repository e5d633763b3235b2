//! Charts of ordinary and of odd numbers: what is drawn, and what is an error.

use super::{Axis, Chart, Figure, FigureError, Grid};

fn chart(x: Axis, y: Axis) -> Chart {
    Chart::new("a title", x, y)
}

fn plain() -> Chart {
    chart(Axis::new("time (s)"), Axis::new("loss"))
}

fn count(svg: &str, what: &str) -> usize {
    svg.matches(what).count()
}

#[test]
fn a_chart_has_its_words_and_a_path_for_each_line() {
    let line = |slope: f64| (0..5).map(move |x| (f64::from(x), slope * f64::from(x)));
    let one = plain().line("first", line(1.0)).to_svg().unwrap();
    let two = plain().line("first", line(1.0)).line("second & last", line(2.0)).to_svg().unwrap();
    for word in ["a title", "time (s)", "loss", "first", "second &amp; last"] {
        assert!(two.contains(word), "{word} is missing");
    }
    assert!(count(&two, "<polyline") > count(&one, "<polyline"));
    // The colours of the two lines differ.
    assert!(two.contains("#0072B2") && two.contains("#D55E00"), "{two}");
}

#[test]
fn numbers_that_have_no_place_are_left_out() {
    let odd = [(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, -1.0), (f64::NAN, 1.0), (4.0, 10.0)];
    let logarithmic = chart(Axis::new("x"), Axis::new("y").logarithmic());
    for chart in [plain(), logarithmic] {
        let bars = odd.map(|(x, y)| (x, y - 1.0, y + 1.0));
        let svg = chart.line("a", odd).points("b", odd).band(bars).error_bars(bars).to_svg().unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}

#[test]
fn charts_of_nothing_or_one_number_are_drawn() {
    for points in [vec![], vec![(1.0, 1.0)], vec![(0.0, 0.0); 3], vec![(f64::NAN, f64::NAN)], vec![(1e300, -1e300)]] {
        assert!(plain().line("a", points.clone()).to_svg().is_ok(), "{points:?}");
        assert!(chart(Axis::new("x").logarithmic(), Axis::new("y").logarithmic()).points("a", points).to_svg().is_ok());
    }
    assert!(Figure::new([], 0).to_svg().is_ok());
}

#[test]
fn a_grid_has_a_colour_for_each_level() {
    let grid = |values: Vec<f64>, is_signed| Grid {
        values,
        size: [2, 3],
        x: [0.0, 2.0],
        y: [0.0, 1.0],
        levels: vec![-1.0, 0.0, 1.0],
        is_signed,
    };
    let colours = |values: [f64; 6], is_signed| {
        let svg = plain().grid(grid(values.to_vec(), is_signed)).to_svg().unwrap();
        let fills = svg.split("fill=\"").skip(1).filter_map(|rest| rest.split('"').next());
        fills.map(str::to_owned).collect::<std::collections::BTreeSet<_>>().len()
    };
    for is_signed in [true, false] {
        let one = colours([0.5; 6], is_signed);
        assert_eq!(colours([-2.0, -0.5, 0.5, 2.0, 2.0, f64::NAN], is_signed), one + 4);
    }
    assert!(matches!(plain().grid(grid(vec![0.0; 5], true)).to_svg(), Err(FigureError::Grid { found: 5, .. })));
}

#[test]
fn an_axis_that_goes_nowhere_is_an_error() {
    let axis = || Axis::new("x");
    for x in [
        axis().range(1.0, 1.0),
        axis().range(2.0, 1.0),
        axis().range(f64::NAN, 1.0),
        axis().logarithmic().range(0.0, 1.0),
    ] {
        assert!(matches!(chart(x, axis()).to_svg(), Err(FigureError::Range { .. })));
    }
}
