//! Charts of ordinary and of odd numbers: what is drawn, and what is an error.

#[cfg(feature = "serde")]
use super::plot_history;
use super::{Axis, Chart, Figure, FigureError, Grid, plot_confusion_matrix, plot_histograms};
use crate::{
    graph::DType,
    parameters::{Layout, Parameters},
    risk::ConfusionMatrix,
};

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

#[test]
fn bars_stand_on_zero_and_whole_axes_have_whole_marks() {
    let bars = [(0.5, 1.5, 3.0), (1.5, 2.5, 1.0)];
    let svg = chart(Axis::new("x").whole(), Axis::new("y").whole()).bars(bars).to_svg().unwrap();
    for mark in [">0<", ">1<", ">2<", ">3<"] {
        assert!(svg.replace('\n', "").contains(mark), "{mark} is missing:\n{svg}");
    }
    assert!(!svg.replace('\n', "").contains(">0.5<"), "{svg}");
}

#[test]
fn long_titles_and_names_are_shortened_in_the_middle() {
    let long = "encoder.layers.11.attention.projection_of_queries_keys_and_values.weight_of_the_first_head";
    let svg = Chart::new(long, Axis::new(long), Axis::new(long)).line(long, [(0.0, 1.0), (1.0, 2.0)]).to_svg().unwrap();
    assert!(
        !svg.contains(long) && count(&svg, "…") == 4 && svg.contains("encoder.layers.11") && svg.contains("first_head")
    );
}

fn matrix(n_classes: usize) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new((0..n_classes).map(|class| format!("class number {class}")));
    // The last class has no example.
    for label in 0..n_classes.saturating_sub(1) {
        for example in 0..5 * (label + 1) {
            let predicted = if example % 5 == 4 { (label + example) % n_classes } else { label };
            matrix.add(label as i64, predicted as i64).unwrap();
        }
    }
    matrix
}

#[test]
fn a_confusion_matrix_of_any_number_of_classes_is_drawn_with_its_names() {
    for n_classes in [0, 1, 2, 3, 10, 20, 40] {
        let matrix = matrix(n_classes);
        let svg = plot_confusion_matrix(&matrix).to_svg().unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{n_classes}");
        // Each name stands beside its row and below its column; up to 25 classes each cell has its count.
        let n_texts = 3 + 2 * n_classes + if n_classes <= 25 { n_classes * n_classes } else { 0 };
        let n_percents = if n_classes <= 12 { count(&svg, " %\n") - count(&svg, "accuracy") } else { 0 };
        let n_empty = if n_classes <= 12 { n_classes * n_classes - n_percents } else { 0 };
        let found = count(&svg, "<text");
        assert!((n_texts..=n_texts + n_percents + n_empty).contains(&found), "{n_classes}: {found} texts\n{svg}");
    }
    let svg = plot_confusion_matrix(&matrix(3)).to_svg().unwrap();
    for word in ["label", "prediction", "accuracy 86.7 % of 15 examples", "class number 2", "80 %"] {
        assert!(svg.contains(word), "{word} is missing:\n{svg}");
    }
}

#[test]
fn histograms_of_ordinary_and_of_odd_numbers_are_drawn() {
    let arrays = [("normal", 500), ("equal", 4), ("one", 1), ("none", 0), ("odd", 3)];
    let layout = Layout::new(arrays.map(|(name, n)| (name, DType::F64, vec![n]))).unwrap();
    let mut parameters = Parameters::zeros(layout);
    let wave: Vec<f64> = (0..500).map(|i| (f64::from(i) * 0.7).sin() + (f64::from(i) * 1.3).sin()).collect();
    parameters.flat_mut::<f64>().unwrap()[..500].copy_from_slice(&wave);
    parameters.flat_mut::<f64>().unwrap()[505..].copy_from_slice(&[f64::NAN, f64::MAX, -f64::MAX]);
    let svg = plot_histograms(&parameters.histograms()).to_svg().unwrap();
    for word in ["normal", "equal", "none", "500 numbers", "4 numbers, 0 ± 0", "3 numbers, 1 not finite", "0 numbers"]
    {
        assert!(svg.contains(word), "{word} is missing:\n{svg}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

/// A history of so many epochs, as it is serialized.
#[cfg(feature = "serde")]
fn history(n_epochs: u64, loss: impl Fn(u64) -> f64) -> crate::train::History {
    let epochs = (1..=n_epochs).map(|epoch| {
        let loss = loss(epoch);
        let validation =
            format!(r#"{{"value":{0:e},"lower":{1:e},"upper":{2:e},"level":0.95}}"#, 1.2 * loss, loss, 1.5 * loss);
        format!(r#"{{"epoch":{epoch},"step":{},"train":[{loss:e}],"validation":[{validation}]}}"#, 10 * epoch)
    });
    let text = format!(r#"{{"names":["loss"],"epochs":[{}]}}"#, epochs.collect::<Vec<_>>().join(","));
    serde_json::from_str(&text).unwrap()
}

#[cfg(feature = "serde")]
#[test]
fn histories_of_any_length_and_size_are_drawn() {
    let one = plot_history(&history(1, |_| 0.5), None).to_svg().unwrap();
    // A point, since a line would not be seen, over the one epoch there is.
    assert!(one.contains("<circle") && one.replace('\n', "").contains(">1<") && !one.contains("0.98"), "{one}");
    let wide = plot_history(&history(200, |epoch| 10f64.powf(-(epoch as f64) / 20.0)), None).to_svg().unwrap();
    assert!(wide.contains("1e-") && wide.contains("validation, 95 % interval"), "{wide}");
    let narrow = plot_history(&history(200, |epoch| 1.0 + 1.0 / epoch as f64), None).to_svg().unwrap();
    assert!(narrow.contains("200") && !narrow.contains("1e"), "{narrow}");
    for svg in [one, wide, narrow, plot_history(&history(0, |_| 0.0), None).to_svg().unwrap()] {
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
