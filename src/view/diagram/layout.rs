//! Places of boxes. In: a drawing. Out: rectangles and arrows, by dagre, the layered layout with groups of Graphviz's `dot`
//! and of dagre.js.

use std::collections::BTreeMap;

use dagre::{
    EdgeLabel, LayoutOptions, NodeLabel,
    graph::{Graph as Layered, GraphOptions},
    layout::types::LabelPos,
};

use super::fold::Drawing;
use crate::view::FigureError;

/// Pixels.
pub(super) const LINE: f64 = 14.0;
const MARGIN: f64 = 16.0;
/// Width of a letter on average, of titles and of what is smaller.
const LETTER: f64 = 7.0;
const SMALL_LETTER: f64 = 5.4;

/// The layout of more boxes takes minutes.
const MAX_PLACED: usize = 700;

/// A rectangle by its middle and its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rectangle {
    pub(super) middle: [f64; 2],
    pub(super) size: [f64; 2],
}

/// An arrow.
#[derive(Debug, Clone)]
pub(super) struct Arrow {
    pub(super) points: Vec<[f64; 2]>,
    /// The middle of its label.
    pub(super) label: [f64; 2],
    pub(super) types: Vec<String>,
}

/// Where everything lies.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) size: [f64; 2],
    pub(super) boxes: Vec<Rectangle>,
    pub(super) groups: BTreeMap<Vec<String>, Rectangle>,
    pub(super) arrows: Vec<Arrow>,
}

pub(super) fn place(drawing: &Drawing) -> Result<Layout, FigureError> {
    if drawing.boxes.len() > MAX_PLACED {
        return Err(FigureError::Size { found: drawing.boxes.len(), most: MAX_PLACED });
    }
    let mut layered = describe(drawing);
    let options = LayoutOptions {
        nodesep: 18.0,
        edgesep: 10.0,
        ranksep: 40.0,
        marginx: MARGIN,
        marginy: MARGIN,
        ..LayoutOptions::default()
    };
    dagre::layout(&mut layered, Some(options));
    Ok(read(drawing, &layered))
}

fn name_of_box(number: usize) -> String {
    format!("n{number}")
}

fn name_of_group(number: usize) -> String {
    format!("g{number}")
}

fn describe(drawing: &Drawing) -> Layered<NodeLabel, EdgeLabel> {
    let mut layered = Layered::with_options(GraphOptions { directed: true, multigraph: true, compound: true });
    for (number, group) in drawing.groups.iter().enumerate() {
        layered.set_node(name_of_group(number), Some(NodeLabel::default()));
        set_parent(&mut layered, &name_of_group(number), drawing, &group[..group.len() - 1]);
    }
    for (number, drawn) in drawing.boxes.iter().enumerate() {
        let width = (letters(&drawn.title) * LETTER).max(letters(&drawn.detail) * SMALL_LETTER) + 14.0;
        let height = LINE * if drawn.detail.is_empty() { 1.0 } else { 2.0 } + 8.0;
        layered
            .set_node(name_of_box(number), Some(NodeLabel { width: width.max(36.0), height, ..NodeLabel::default() }));
        set_parent(&mut layered, &name_of_box(number), drawing, &drawn.groups);
    }
    for (number, ((from, to), types)) in drawing.arrows.iter().enumerate() {
        let width = types.iter().map(|ty| letters(ty) * SMALL_LETTER).fold(0.0, f64::max) + 6.0;
        let height = LINE * types.len() as f64 - 2.0;
        let label = EdgeLabel { width, height, labelpos: LabelPos::Center, ..EdgeLabel::default() };
        // Named, so that arrows there and back stay two.
        let name = number.to_string();
        layered.set_edge(name_of_box(*from), name_of_box(*to), Some(label), Some(&name));
    }
    layered
}

fn set_parent(layered: &mut Layered<NodeLabel, EdgeLabel>, child: &str, drawing: &Drawing, group: &[String]) {
    if let Some(number) = drawing.groups.get_index_of(group) {
        layered.set_parent(child, Some(&name_of_group(number)));
    }
}

fn letters(text: &str) -> f64 {
    text.chars().count() as f64
}

fn read(drawing: &Drawing, layered: &Layered<NodeLabel, EdgeLabel>) -> Layout {
    let rectangle = |name: &str| {
        let label = layered.node(name).expect("invariant: every box is placed");
        let middle = [label.x, label.y].map(|position| position.unwrap_or_default());
        Rectangle { middle, size: [label.width, label.height] }
    };
    let boxes: Vec<Rectangle> = (0..drawing.boxes.len()).map(|number| rectangle(&name_of_box(number))).collect();
    let groups = drawing.groups.iter().enumerate();
    let groups: BTreeMap<Vec<String>, Rectangle> =
        groups.map(|(number, group)| (group.clone(), rectangle(&name_of_group(number)))).collect();
    let arrows: Vec<Arrow> = (drawing.arrows.iter().enumerate())
        .map(|(number, ((from, to), types))| {
            let edge = layered.edge(&name_of_box(*from), &name_of_box(*to), Some(&number.to_string()));
            let edge = edge.expect("invariant: every arrow is placed");
            let points = edge.points.iter().map(|point| [point.x, point.y]).collect();
            Arrow { points, label: [edge.x, edge.y].map(|at| at.unwrap_or_default()), types: types.clone() }
        })
        .collect();
    let ends = boxes
        .iter()
        .chain(groups.values())
        .map(|placed| [0, 1].map(|axis| placed.middle[axis] + placed.size[axis] / 2.0));
    let size = ends.fold([0.0; 2], |size: [f64; 2], end| [0, 1].map(|axis| size[axis].max(end[axis])));
    Layout { size: size.map(|length| length + MARGIN), boxes, groups, arrows }
}
