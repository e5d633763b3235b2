//! A diagram at several foldings, to be looked at one after another. In: a diagram. Out: pictures from the coarsest on, with the
//! words by which each of their boxes is found.

use indexmap::IndexSet;

use super::{Diagram, Folding, fold::Drawing, layout, svg};

/// More boxes than this take too long to be placed for each of several pictures.
const MAX_LEVEL_BOXES: usize = 110;

/// A picture of a graph at one folding.
#[derive(Debug, Clone)]
pub(in crate::view) struct Level {
    /// What a box stands for.
    pub(in crate::view) name: String,
    pub(in crate::view) svg: String,
    /// In the order in which the picture draws them.
    pub(in crate::view) boxes: Vec<LevelBox>,
}

/// How a box is found.
#[derive(Debug, Clone)]
pub(in crate::view) struct LevelBox {
    /// The groups around it and its title.
    pub(in crate::view) path: Vec<String>,
    /// Names, operations and lines of all that it stands for.
    pub(in crate::view) words: Vec<String>,
}

impl Diagram {
    /// Pictures of few enough boxes, from the coarsest to the finest, each of more boxes than the one before; that of lines only
    /// where every other has too many boxes, and none where that has too.
    pub(in crate::view) fn levels(&self) -> Vec<Level> {
        let scopes = (0..self.parts.depth()).map(Folding::Scopes);
        let mut levels: Vec<Level> = Vec::new();
        for folding in scopes.chain([Folding::Calls, Folding::Operations]) {
            let n_boxes = levels.last().map_or(0, |level| level.boxes.len());
            let drawing = Drawing::new(&self.parts, folding);
            if drawing.boxes.len() > n_boxes && drawing.boxes.len() <= MAX_LEVEL_BOXES {
                levels.push(self.level(folding, &drawing));
            }
        }
        if levels.is_empty() {
            let drawing = Drawing::new(&self.parts, Folding::Lines);
            if (1..=MAX_LEVEL_BOXES).contains(&drawing.boxes.len()) {
                levels.push(self.level(Folding::Lines, &drawing));
            }
        }
        levels
    }

    fn level(&self, folding: Folding, drawing: &Drawing) -> Level {
        let name = match folding {
            Folding::Operations => "operations".to_owned(),
            Folding::Calls => "calls".to_owned(),
            Folding::Scopes(0) => "outermost scopes".to_owned(),
            Folding::Scopes(depth) => format!("scopes to depth {}", depth + 1),
            Folding::Lines => "lines".to_owned(),
        };
        let words = |part: &usize| -> Vec<String> {
            let part = &self.parts.parts[*part];
            let operation = part.title.split('(').next().unwrap_or(&part.title);
            let name = part.groups.iter().map(String::as_str).chain([operation]).collect::<Vec<_>>().join(".");
            let call = part.call.map(|(call, _)| call.to_owned());
            [name, format!("{}:{}", part.site.file, part.site.line)].into_iter().chain(call).collect()
        };
        let boxes = drawing.boxes.iter().map(|drawn| LevelBox {
            path: drawn.groups.iter().chain([&drawn.title]).cloned().collect(),
            words: drawn.members.iter().flat_map(words).collect::<IndexSet<String>>().into_iter().collect(),
        });
        let placed = layout::place(drawing).expect("invariant: a level has fewer boxes than are placed");
        Level { name, svg: svg::write(drawing, &placed), boxes: boxes.collect() }
    }
}
