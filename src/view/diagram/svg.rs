//! Drawings as SVG. In: a drawing and its layout. Out: text.

use std::fmt::{self, Write};

use super::{
    fold::Drawing,
    layout::{Arrow, LINE, Layout, Rectangle},
    parts::Kind,
};

/// Groups within groups are darker.
const GROUP: &str = "#5b6b7d";
const ARROW: &str = "#4a4a4a";

/// The colour of a box.
pub(super) fn fill(kind: Kind) -> &'static str {
    match kind {
        Kind::Input => "#d9ead3",
        Kind::Parameter => "#cfe2f3",
        Kind::State => "#d9d2e9",
        Kind::Constant => "#efefef",
        Kind::Operation => "#ffffff",
        Kind::Result => "#fce5cd",
        Kind::Folded => "#fff7dd",
    }
}

pub(super) fn write(drawing: &Drawing, layout: &Layout) -> String {
    let [width, height] = layout.size;
    let mut text = String::new();
    add(
        &mut text,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"{ARROW}\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        ),
    );
    // Those outside first, since they are drawn over.
    for group in &drawing.groups {
        write_group(&group[group.len() - 1], layout.groups[group], &mut text);
    }
    layout.arrows.iter().for_each(|arrow| write_curve(arrow, &mut text));
    for (drawn, placed) in drawing.boxes.iter().zip(&layout.boxes) {
        let [x, y] = corner(*placed);
        let ([width, height], color) = (placed.size, fill(drawn.kind));
        let tip = Escaped(&drawn.tip);
        add(
            &mut text,
            format_args!(
                "<g><title>{tip}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\" \
             fill=\"{color}\" stroke=\"#555555\"/>"
            ),
        );
        let [x, middle] = placed.middle;
        let has_detail = !drawn.detail.is_empty();
        let y = if has_detail { middle - 2.0 } else { middle + 4.0 };
        add(
            &mut text,
            format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", Escaped(&drawn.title)),
        );
        if has_detail {
            let (y, detail) = (y + LINE, Escaped(&drawn.detail));
            add(
                &mut text,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#555555\">{detail}</text>"
                ),
            );
        }
        text.push_str("</g>\n");
    }
    layout.arrows.iter().for_each(|arrow| write_label(arrow, &mut text));
    text.push_str("</svg>\n");
    text
}

fn corner(placed: Rectangle) -> [f64; 2] {
    [0, 1].map(|axis| placed.middle[axis] - placed.size[axis] / 2.0)
}

fn write_group(name: &str, placed: Rectangle, text: &mut String) {
    let ([x, y], [width, height], name) = (corner(placed), placed.size, Escaped(name));
    add(
        text,
        format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\" fill=\"{GROUP}\" fill-opacity=\"0.07\" \
         stroke=\"{GROUP}\" stroke-opacity=\"0.5\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"bold\" fill=\"{GROUP}\">{name}</text>\n",
            x + 8.0,
            y + 15.0
        ),
    );
}

/// A cubic spline near the points, which meets the first and the last.
fn write_curve(arrow: &Arrow, text: &mut String) {
    let [Some(first), Some(last)] = [arrow.points.first(), arrow.points.last()] else { return };
    add(text, format_args!("<path d=\"M{:.1} {:.1}", first[0], first[1]));
    // The points of a uniform B-spline that meets its ends: https://en.wikipedia.org/wiki/B-spline, as Bézier curves.
    let ends = |point: &[f64; 2]| [*point; 2];
    let inner = &arrow.points[1..arrow.points.len().max(1) - 1];
    let points: Vec<[f64; 2]> = ends(first).into_iter().chain(inner.iter().copied()).chain(ends(last)).collect();
    let blend = |a: [f64; 2], b: [f64; 2], part: f64| [0, 1].map(|axis| a[axis] + part * (b[axis] - a[axis]));
    for window in points.windows(3) {
        let (one, two) = (blend(window[0], window[1], 2.0 / 3.0), blend(window[1], window[2], 1.0 / 3.0));
        let end = blend(one, two, 0.5);
        let begin = blend(window[0], window[1], 1.0 / 3.0);
        add(
            text,
            format_args!("C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", begin[0], begin[1], one[0], one[1], end[0], end[1]),
        );
    }
    add(
        text,
        format_args!(
            "L{:.1} {:.1}\" fill=\"none\" stroke=\"{ARROW}\" marker-end=\"url(#arrow)\"/>\n",
            last[0], last[1]
        ),
    );
}

fn write_label(arrow: &Arrow, text: &mut String) {
    let [x, middle] = arrow.label;
    let first = middle - (arrow.types.len() as f64 - 1.0) * LINE / 2.0 + 3.5;
    for (position, ty) in arrow.types.iter().enumerate() {
        let (y, ty) = (first + position as f64 * LINE, Escaped(ty));
        add(
            text,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#33475b\" stroke=\"#ffffff\" \
             stroke-width=\"3\" paint-order=\"stroke\">{ty}</text>\n"
            ),
        );
    }
}

/// Text within XML.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                // XML has no other control characters.
                c if c.is_control() && c != '\n' => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn add(text: &mut String, words: fmt::Arguments<'_>) {
    text.write_fmt(words).expect("invariant: writing to a string does not fail");
}
