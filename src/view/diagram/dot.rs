//! Drawings in DOT. In: boxes, groups and arrows. Out: text for Graphviz, which places them.

use std::fmt::Write;

use super::{fold::Drawing, svg::fill};

pub(super) fn write(drawing: &Drawing) -> String {
    let mut text = String::from(
        "digraph pullback {\n  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11];\n  \
         edge [fontname=\"Helvetica\", fontsize=9];\n",
    );
    group(drawing, &[], 1, &mut text);
    for ((from, to), types) in &drawing.arrows {
        line(&mut text, 1, format_args!("n{from} -> n{to} [label={}];", quoted(&types.join("\n"))));
    }
    text.push_str("}\n");
    text
}

/// What lies in a group, and the groups in there.
fn group(drawing: &Drawing, path: &[String], depth: usize, text: &mut String) {
    for (number, drawn) in drawing.boxes.iter().enumerate().filter(|(_, drawn)| drawn.groups == path) {
        let label = match drawn.detail.as_str() {
            "" => drawn.title.clone(),
            detail => format!("{}\n{detail}", drawn.title),
        };
        let (label, tip, color) = (quoted(&label), quoted(&drawn.tip), fill(drawn.kind));
        line(text, depth, format_args!("n{number} [label={label}, tooltip={tip}, fillcolor=\"{color}\"];"));
    }
    let inner = drawing.groups.iter().enumerate();
    for (number, inside) in inner.filter(|(_, inside)| inside.split_last().is_some_and(|(_, around)| around == path)) {
        line(text, depth, format_args!("subgraph cluster_{number} {{"));
        line(text, depth + 1, format_args!("label={};", quoted(&inside[path.len()])));
        group(drawing, inside, depth + 1, text);
        line(text, depth, format_args!("}}"));
    }
}

fn line(text: &mut String, depth: usize, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{:indent$}{words}", "", indent = 2 * depth).expect("invariant: writing to a string does not fail");
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
