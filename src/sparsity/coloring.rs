//! Groups of columns whose derivatives can be told apart in their sum. In: a pattern. Out: a color for each column, and for each entry
//! the sum that has it alone.
//!
//! # Source
//! Gebremedhin, Manne and Pothen, *What color is your Jacobian? Graph coloring for computing derivatives*, SIAM Review 47, 2005: partial
//! distance-2 coloring (algorithm 3.2) for Jacobians and star coloring (algorithm 4.2) for Hessians, both greedy, columns with more
//! neighbors first.

use super::pattern::SparsityPattern;

/// A color for each column.
#[derive(Debug, Clone)]
pub(super) struct Coloring {
    pub(super) colors: Vec<u32>,
    pub(super) n_colors: usize,
}

const NONE: u32 = u32::MAX;

/// Rows and columns, each with where they meet, as lists of neighbors.
pub(super) struct Adjacency {
    starts: Vec<usize>,
    neighbors: Vec<usize>,
}

impl Adjacency {
    /// The rows of each column.
    pub(super) fn of_columns(pattern: &SparsityPattern) -> Adjacency {
        Adjacency { starts: pattern.column_starts.clone(), neighbors: pattern.rows.clone() }
    }

    /// The columns of each row.
    pub(super) fn of_rows(pattern: &SparsityPattern) -> Adjacency {
        let by_rows = pattern.by_rows();
        Adjacency { starts: by_rows.row_starts, neighbors: by_rows.columns }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, vertex: usize) -> &[usize] {
        &self.neighbors[self.starts[vertex]..self.starts[vertex + 1]]
    }

    /// The vertices with the most neighbors first.
    fn largest_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|vertex| std::cmp::Reverse(self.of(*vertex).len()));
        order
    }
}

/// Colors such that no two columns of one color meet a row.
pub(super) fn distance_two(columns: &Adjacency, rows: &Adjacency) -> Coloring {
    let mut colors = vec![NONE; columns.len()];
    let mut palette = Palette::default();
    for column in columns.largest_first() {
        for row in columns.of(column) {
            rows.of(*row).iter().for_each(|other| palette.forbid(colors[*other]));
        }
        colors[column] = palette.choose();
    }
    Coloring { colors, n_colors: palette.n_colors() }
}

/// Colors of a symmetric matrix, all of whose entries are in the pattern, such that of two columns that meet, one is alone of its color in
/// the row of the other: neighbors differ, and every path over four vertices has three colors.
pub(super) fn star(columns: &Adjacency) -> Coloring {
    let mut colors = vec![NONE; columns.len()];
    let mut palette = Palette::default();
    for vertex in columns.largest_first() {
        let others = |vertex: usize| columns.of(vertex).iter().copied().filter(move |other| *other != vertex);
        for near in others(vertex) {
            palette.forbid(colors[near]);
            for far in others(near).filter(|far| *far != vertex && colors[*far] != NONE) {
                // The path far, near, vertex must not be one of two colors, nor become it.
                let is_two_colored = colors[near] == NONE
                    || others(far).any(|end| end != near && colors[end] != NONE && colors[end] == colors[near]);
                if is_two_colored {
                    palette.forbid(colors[far]);
                }
            }
        }
        colors[vertex] = palette.choose();
    }
    Coloring { colors, n_colors: palette.n_colors() }
}

/// Colors of which some are forbidden to the vertex at hand.
#[derive(Default)]
struct Palette {
    /// For each color the number of the vertex that it was last forbidden to.
    forbidden: Vec<usize>,
    vertex: usize,
}

impl Palette {
    fn forbid(&mut self, color: u32) {
        if color != NONE {
            self.forbidden[color as usize] = self.vertex + 1;
        }
    }

    /// The first color that is not forbidden; the next vertex begins.
    fn choose(&mut self) -> u32 {
        self.vertex += 1;
        let free = self.forbidden.iter().position(|vertex| *vertex != self.vertex);
        let color = free.unwrap_or(self.forbidden.len());
        if color == self.forbidden.len() {
            self.forbidden.push(0);
        }
        color as u32
    }

    fn n_colors(&self) -> usize {
        self.forbidden.len()
    }
}

/// For an entry of a symmetric matrix, the row and the color whose sum has it alone, if the coloring is a star coloring.
pub(super) fn recovery(columns: &Adjacency, coloring: &Coloring, (row, column): (usize, usize)) -> (usize, u32) {
    let is_alone = |row: usize, column: usize| {
        let color = coloring.colors[column];
        columns.of(row).iter().all(|other| *other == column || coloring.colors[*other] != color)
    };
    let place = if is_alone(row, column) { (row, column) } else { (column, row) };
    debug_assert!(is_alone(place.0, place.1), "a star coloring tells every entry");
    (place.0, coloring.colors[place.1])
}
