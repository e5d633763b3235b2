//! Mistakes with parameters. In: what was asked and the layout. Out: a [`ParameterError`], with the nearest name where
//! a name is unknown. Mistakes of layouts and initializers are described beside these.

use super::{
    initialize::InitializerError,
    layout::{Layout, LayoutError},
};
use crate::graph::DType;

/// Why parameters could not be made, read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// There is no array of that name.
    #[error("nothing is named `{name}`{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The known name most like it, if one is alike.
        nearest: Option<String>,
    },
    /// The array has another dtype.
    #[error("`{name}` is {expected}, not {found}")]
    WrongDType {
        /// The name.
        name: String,
        /// The dtype it has.
        expected: DType,
        /// The dtype that was asked for or given.
        found: DType,
    },
    /// The array has another shape.
    #[error("`{name}` has shape {expected:?}, not {found:?}")]
    WrongShape {
        /// The name.
        name: String,
        /// The shape it has.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// The parameters cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// An initializer does not fit its parameter.
    #[error(transparent)]
    Initializer(#[from] InitializerError),
}

impl ParameterError {
    /// The error for a name that `layout` does not have.
    pub(super) fn unknown(name: &str, layout: &Layout) -> ParameterError {
        ParameterError::Unknown { name: name.to_owned(), nearest: nearest_name(name, layout).map(str::to_owned) }
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; the nearest name is `{nearest}`"))
}

/// The first of the names at the least edit distance, if that is at most a third of the letters (and at least one).
fn nearest_name<'a>(name: &str, layout: &'a Layout) -> Option<&'a str> {
    let farthest = (name.chars().count() / 3).max(1);
    let distances = layout.names().map(|known| (edit_distance(name, known), known));
    distances
        .filter(|&(distance, _)| distance <= farthest)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, known)| known)
}

/// The least number of letters to insert, delete or replace to turn one word into the other.
///
/// # Complexity
/// O(letters of one × letters of the other) time, O(letters of `to`) memory.
///
/// # Source
/// Wagner and Fischer, *The string-to-string correction problem*, 1974.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // row[j] is the distance from the letters read so far to the first j letters of `to`.
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for letter in from.chars() {
        let mut diagonal = row[0];
        row[0] += 1;
        for (j, &other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances() {
        let cases =
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("bias", "bias", 0), ("größe", "grösse", 2)];
        for (from, to, distance) in cases {
            assert_eq!(edit_distance(from, to), distance, "{from} → {to}");
            assert_eq!(edit_distance(to, from), distance, "{to} → {from}");
        }
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
        let names = ["hidden.weight", "hidden.bias", "out.weight"];
        let layout = Layout::new(names.map(|name| (name, DType::F32, vec![1]))).unwrap();
        let cases = [
            ("hiden.weight", Some("hidden.weight")),
            ("Hidden.bias", Some("hidden.bias")),
            ("outweight", Some("out.weight")),
            ("convolution.kernel", None),
            ("", None),
        ];
        for (name, nearest) in cases {
            assert_eq!(nearest_name(name, &layout), nearest, "{name}");
        }
    }
}
