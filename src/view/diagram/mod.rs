//! Graphs as pictures. In: a graph and results of it. Out: boxes within groups and arrows between them, as SVG or in the language of
//! Graphviz.
//!
//! `parts.rs` makes a part of every node that is shown, with its scopes and its line; `fold.rs` puts parts together until a
//! person can read them; `layout.rs` places what is left; `svg.rs` and `dot.rs` write it, and `levels.rs` at
//! several foldings.

mod dot;
mod fold;
mod layout;
mod levels;
mod parts;
mod svg;
#[cfg(test)]
mod tests;

use std::path::Path;

use self::{fold::Drawing, parts::Parts};
use super::{FigureError, figure::save_text};
use crate::graph::{Graph, IntoResults};
pub(super) use levels::Level;

/// How much of a graph one box of its [`Diagram`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// A box for each operation.
    Operations,
    /// A box for operations that follow each other within a scope and that one call of the user's made.
    Calls,
    /// [`Folding::Calls`], and one box for all of a scope that lies within so many others: of `Scopes(1)`, the boxes of
    /// `encoder.attention` are one within the group `encoder`.
    Scopes(usize),
    /// A box for all that a line of the user's made, whatever scope it lies in: for graphs without scopes that are too large for
    /// [`Folding::Calls`].
    Lines,
}

/// The picture of a graph: boxes for operations, grouped by scope, and arrows with the types of the values that they pass on.
///
/// A group is a [scope](Graph::scope), a layer, the body of a loop, branch or call, or all that a derivative adds
/// (`gradient`, `jvp`). Numbers that an operation takes stand in its box, and values that are repeated to fit others are drawn
/// as they were. The type of an `f32` array is its shape. Each box of the SVG tells its lines of source where a pointer rests
/// on it.
///
/// Made by [`Graph::to_diagram`].
#[derive(Debug, Clone)]
pub struct Diagram {
    parts: Parts,
    folding: Option<Folding>,
}

/// More boxes than this are folded.
const MAX_BOXES: usize = 90;

impl Graph {
    /// The picture of what `results` are computed from. Results of another graph are left out, and what is an error is drawn as
    /// `poison`.
    ///
    /// # Complexity
    /// Linear in the nodes of the graph; the picture's layout grows faster, and is for some hundred boxes.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, nn::{Layer, Linear}};
    /// let g = Graph::new();
    /// let hidden = Linear::new(&g, "hidden", 64, 32);
    /// let y = hidden.call(g.input("x", ("batch", 64))).relu();
    /// let diagram = g.to_diagram([("y", y)]);
    /// assert!(diagram.to_dot().contains("label=\"hidden\""));
    /// let svg = diagram.to_svg()?;
    /// assert!(svg.contains("[batch, 64]"));
    /// # Ok::<(), pullback::view::FigureError>(())
    /// ```
    #[doc(alias("plot_model", "make_dot", "graphviz"))]
    pub fn to_diagram<'g>(&'g self, results: impl IntoResults<'g>) -> Diagram {
        Diagram { parts: Parts::new(self, &results.into_results()), folding: None }
    }
}

impl Diagram {
    /// Folds so much. Without it, as little is folded as leaves no more than 90 boxes, or the outermost scopes where that does
    /// not do.
    #[must_use]
    pub fn fold(self, folding: Folding) -> Diagram {
        Diagram { folding: Some(folding), ..self }
    }

    fn drawing(&self) -> Drawing {
        match self.folding {
            Some(folding) => Drawing::new(&self.parts, folding),
            None => {
                let deepest = self.parts.depth();
                let scopes = (1..deepest).rev().map(Folding::Scopes);
                let foldings = [Folding::Operations, Folding::Calls].into_iter().chain(scopes);
                let mut drawings = foldings.map(|folding| Drawing::new(&self.parts, folding));
                let readable = drawings.find(|drawing| drawing.boxes.len() <= MAX_BOXES);
                readable.unwrap_or_else(|| Drawing::new(&self.parts, Folding::Scopes(0)))
            }
        }
    }

    /// The picture as SVG.
    ///
    /// # Errors
    /// [`FigureError::Size`] if there are too many boxes for a picture; [`Diagram::fold`] makes them fewer.
    pub fn to_svg(&self) -> Result<String, FigureError> {
        let drawing = self.drawing();
        Ok(svg::write(&drawing, &layout::place(&drawing)?))
    }

    /// The picture in DOT, the language of Graphviz, whose programs place it.
    pub fn to_dot(&self) -> String {
        dot::write(&self.drawing())
    }

    /// Writes the picture into a file as SVG; folders on the way to it are made, and a file of that name is replaced at once.
    ///
    /// # Errors
    /// There are too many boxes, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        save_text(path.as_ref(), &self.to_svg()?)
    }
}
