//! The places of the entries of a sparse matrix. In: rows and columns in any order, each place once or more often. Out: a
//! [`SparsityPattern`], and for each entry the number of its place.

/// Which entries of a matrix may be other than 0, column by column, rows ascending: compressed sparse columns. Values of a
/// [`SparseDerivative`](super::SparseDerivative) are in this order.
///
/// # Example
/// See [`Graph::sparse_jacobian`](crate::Graph::sparse_jacobian).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SparsityPattern {
    /// The number of rows.
    pub n_rows: usize,
    /// The number of columns.
    pub n_columns: usize,
    /// Where each column begins in [`SparsityPattern::rows`], and at the end the number of entries.
    pub column_starts: Vec<usize>,
    /// The row of each entry.
    pub rows: Vec<usize>,
}

/// The rows of a matrix one after another: compressed sparse rows, with where each entry is among values that are in the order of
/// columns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatternByRows {
    /// Where each row begins in [`PatternByRows::columns`], and at the end the number of entries.
    pub row_starts: Vec<usize>,
    /// The column of each entry, ascending within a row.
    pub columns: Vec<usize>,
    /// Where the value of each entry is in the order of columns.
    pub positions: Vec<usize>,
}

impl SparsityPattern {
    /// The number of entries.
    pub fn n_entries(&self) -> usize {
        self.rows.len()
    }

    /// The row and column of each entry, in the order of the values.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (3,));
    /// let mut jacobian = g.sparse_jacobian(x.slice(1..) - x.slice(..-1), x)?;
    /// let pattern = jacobian.structure((), ("x", [0.0; 3]))?;
    /// assert!(pattern.triplets().eq([(0, 0), (0, 1), (1, 1), (1, 2)]));
    /// # Ok::<(), pullback::sparsity::SparsityError>(())
    /// ```
    pub fn triplets(&self) -> impl Iterator<Item = (usize, usize)> {
        let columns = self.column_starts.windows(2).enumerate();
        columns.flat_map(|(column, bounds)| self.rows[bounds[0]..bounds[1]].iter().map(move |row| (*row, column)))
    }

    /// The same by rows.
    ///
    /// # Complexity
    /// O(rows + columns + entries).
    pub fn by_rows(&self) -> PatternByRows {
        let mut row_starts = vec![0; self.n_rows + 1];
        self.rows.iter().for_each(|row| row_starts[row + 1] += 1);
        (0..self.n_rows).for_each(|row| row_starts[row + 1] += row_starts[row]);
        let mut next = row_starts.clone();
        let (mut columns, mut positions) = (vec![0; self.rows.len()], vec![0; self.rows.len()]);
        for (position, (row, column)) in self.triplets().enumerate() {
            (columns[next[row]], positions[next[row]]) = (column, position);
            next[row] += 1;
        }
        PatternByRows { row_starts, columns, positions }
    }

    /// The pattern of entries at these places, of which some may be left out as `None`, and the number of each one's place.
    ///
    /// Two counting sorts, by row and then by column: O(rows + columns + entries).
    pub(super) fn of_entries(
        (n_rows, n_columns): (usize, usize),
        places: &[Option<(u32, u32)>],
    ) -> (SparsityPattern, Vec<Option<u32>>) {
        let by_row = counting_sort(0..places.len() as u32, n_rows, |entry| Some(places[entry as usize]?.0));
        let sorted = counting_sort(by_row.into_iter(), n_columns, |entry| Some(places[entry as usize]?.1));
        let mut numbers: Vec<Option<u32>> = vec![None; places.len()];
        let (mut rows, mut column_starts) = (Vec::new(), Vec::with_capacity(n_columns + 1));
        let mut last = None;
        for entry in sorted {
            let place = places[entry as usize].expect("invariant: those left out are not sorted");
            if last != Some(place) {
                column_starts.resize(place.1 as usize + 1, rows.len());
                rows.push(place.0 as usize);
                last = Some(place);
            }
            numbers[entry as usize] = Some(rows.len() as u32 - 1);
        }
        column_starts.resize(n_columns + 1, rows.len());
        (SparsityPattern { n_rows, n_columns, column_starts, rows }, numbers)
    }
}

/// Items in the order of their keys below `n_keys`, equal ones in the order given; those without a key are left out.
fn counting_sort(
    items: impl Iterator<Item = u32> + Clone,
    n_keys: usize,
    key: impl Fn(u32) -> Option<u32>,
) -> Vec<u32> {
    let mut starts = vec![0u32; n_keys + 1];
    items.clone().filter_map(&key).for_each(|key| starts[key as usize + 1] += 1);
    (0..n_keys).for_each(|key| starts[key + 1] += starts[key]);
    let mut sorted = vec![0; starts[n_keys] as usize];
    for item in items {
        if let Some(key) = key(item) {
            let next = &mut starts[key as usize];
            sorted[*next as usize] = item;
            *next += 1;
        }
    }
    sorted
}
