//! The page says what the profile and the memory map say, and no text of the user's becomes a part of it.

use serde_json::Value;

use super::{Report, data};
use crate::{
    graph::{Expr, Graph, Initializer},
    program::Program,
};

/// A name that is drawn.
const RESULT: &str = "</script><b>";

fn graph(g: &Graph) -> Expr<'_> {
    let x = g.input("x", ("batch", 64));
    let scope = g.scope("hidden");
    let hidden = x.dot(g.parameter("w", (64, 32), Initializer::Zeros)).tanh();
    drop(scope);
    (hidden.dot(g.parameter("v", (32, 10), Initializer::Zeros)) * 1.0).softmax(-1).cumulative_sum(0)
}

fn report(g: &Graph) -> Report {
    let scores = graph(g);
    let mut program: Program = g.compile([(RESULT, scores)]).expect("no mistake");
    let x = ndarray::Array2::<f32>::ones((16, 64));
    let report = program.report(&g.initialize(0).expect("they fit"), ("x", &x), 3).expect("it runs");
    report.with_graph(g, [(RESULT, scores)]).with_title("a <title> & 'more'")
}

/// What the page's script reads.
fn data_of(html: &str) -> Value {
    let (_, rest) = html.split_once("id=\"data\">").expect("data");
    serde_json::from_str(rest.split_once("</script>").expect("an end").0).expect("JSON")
}

#[test]
fn tables_begin_with_the_first_rows_of_the_profile_and_of_the_memory_map() {
    let g = Graph::new();
    let report = report(&g);
    let data = data_of(&report.to_html());
    let (slowest, (peak, bytes)) = (report.profile.lines()[0], report.memory.peak().expect("there are steps"));
    assert_eq!(data["time"][0]["place"], format!("{}:{}", slowest.file, slowest.line));
    assert_eq!(data["time"][0]["ns"], slowest.time.as_nanos() as u64);
    let largest = report.memory.lines_at(peak)[0];
    assert_eq!(data["bytes"][0]["place"], format!("{}:{}", largest.file, largest.line));
    assert_eq!(data["bytes"][0]["bytes"], largest.bytes);
    assert_eq!(data["memory"]["peak"]["bytes"], bytes);
    assert_eq!(data["steps"].as_array().expect("rows").len(), report.profile.steps.len());
    assert_eq!(data["memory"]["rows"].as_array().expect("rows").len(), report.memory.rows.len());
    assert_eq!(data["graphs"].as_array().expect("graphs").len(), 2);
    let firings = data["rules"]["rows"].as_array().expect("rules");
    assert!(firings.iter().any(|row| row["place"].as_str().expect("a place").contains("tests.rs")), "{firings:?}");
}

#[test]
fn each_box_of_a_picture_has_its_words_and_a_path() {
    let g = Graph::new();
    let data = data_of(&report(&g).to_html());
    for graph in data["graphs"].as_array().expect("graphs") {
        let levels = graph["levels"].as_array().expect("levels");
        assert!(levels.len() > 1, "one level only");
        for level in levels {
            let n_boxes = level["svg"].as_str().expect("a picture").matches("<g>").count();
            let boxes = level["boxes"].as_array().expect("boxes");
            assert_eq!(boxes.len(), n_boxes);
            assert!(boxes.iter().all(|found| found["path"][0].is_string() && found["words"][0].is_string()));
        }
    }
}

#[test]
fn no_text_of_the_users_becomes_a_part_of_the_page() {
    let g = Graph::new();
    let html = report(&g).to_html();
    assert_eq!(html.matches("</script>").count(), 2, "the ends of data and script");
    assert!(html.contains("<title>a &lt;title&gt; &amp; &#39;more&#39;</title>") && !html.contains("<b>"));
    assert_eq!(data::script_text(&Value::from("</script><!--&")), "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
}

#[test]
fn the_page_names_no_address_but_namespaces() {
    let g = Graph::new();
    let html = report(&g).to_html().replace("http://www.w3.org/2000/svg", "");
    assert!(!html.contains("http://") && !html.contains("https://"));
    assert!(["<link", "src=", "@import", "fetch("].iter().all(|loads| !html.contains(loads)));
}

/// More operations than are placed, none of which lies in a scope.
#[test]
fn a_large_graph_without_scopes_has_a_box_for_each_line() {
    let g = Graph::new();
    let mut y = g.input("x", (8,));
    for _ in 0..400 {
        y = y.sin();
        y = y * y.cos();
    }
    let levels = g.to_diagram(y).levels();
    assert_eq!(levels.iter().map(|level| level.name.as_str()).collect::<Vec<_>>(), ["lines"]);
    assert!((3..=5).contains(&levels[0].boxes.len()), "{:?}", levels[0].boxes);
}
