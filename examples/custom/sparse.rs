//! y = A·x for a sparse matrix A, whose pattern is known when the graph is built. In: the values of A and the vector x. Out: y.

use std::{ops::Range, sync::Arc};

use pullback::{
    Dim, Expr, Type, ValueView, ValueViewMut,
    ops::{Application, CustomError, CustomOp, LinearMap, Linearization},
};

/// Which elements of a matrix may differ from 0, row by row (compressed sparse rows).
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    n_columns: usize,
    /// Where the elements of each row begin, and the end of the last.
    starts: Vec<usize>,
    /// The column of each element.
    columns: Vec<usize>,
}

impl Pattern {
    /// The pattern of an `n_rows` × `n_columns` matrix with these elements, row by row.
    pub(crate) fn new(
        n_rows: usize,
        n_columns: usize,
        elements: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Arc<Pattern>, CustomError> {
        let (mut starts, mut columns) = (vec![0], Vec::new());
        for (row, column) in elements {
            if row >= n_rows || row + 1 < starts.len() || column >= n_columns {
                return Err(format!("({row}, {column}) is outside, or above the element before it").into());
            }
            starts.resize(row + 1, columns.len());
            columns.push(column);
        }
        starts.resize(n_rows + 1, columns.len());
        Ok(Arc::new(Pattern { n_columns, starts, columns }))
    }

    /// How many elements there are.
    pub(crate) fn n_values(&self) -> usize {
        self.columns.len()
    }

    fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    fn row(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// The row of each element.
    fn rows(&self) -> Vec<usize> {
        (0..self.n_rows()).flat_map(|row| self.row(row).map(move |_| row)).collect()
    }

    /// The pattern of the transposed matrix, and which element of this one each of its elements is.
    fn transposed(&self) -> (Arc<Pattern>, Vec<usize>) {
        let rows = self.rows();
        let mut order: Vec<usize> = (0..self.n_values()).collect();
        order.sort_by_key(|element| self.columns[*element]);
        let elements = order.iter().map(|element| (self.columns[*element], rows[*element]));
        let pattern = Pattern::new(self.n_columns, self.n_rows(), elements);
        (pattern.expect("they are inside, and sorted by row"), order)
    }
}

/// The product of a sparse matrix and a vector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SparseProduct(Arc<Pattern>);

impl SparseProduct {
    /// Of matrices of this pattern.
    pub(crate) fn new(pattern: Arc<Pattern>) -> SparseProduct {
        SparseProduct(pattern)
    }
}

/// Operands: `f64[n_values]`, the values of A; `f64[n_columns]`, x. Output: `f64[n_rows]`.
impl CustomOp for SparseProduct {
    const NAME: &'static str = "sparse_product";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        let [values, x] = operands else { return Err("it takes the values of a matrix and a vector".into()) };
        let is_right = *values == Type::new(values.dtype, (self.0.n_values(),))
            && *x == Type::new(values.dtype, (self.0.n_columns,))
            && values.dtype == pullback::DType::F64;
        if is_right {
            return Ok(Type::new(values.dtype, (self.0.n_rows(),)));
        }
        let (n, m) = (self.0.n_values(), self.0.n_columns);
        Err(format!("it takes f64[{n}] and f64[{m}], found {values} and {x}").into())
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        self.evaluate_rows(0..self.0.n_rows(), operands, output)
    }

    fn evaluate_rows(
        &self,
        rows: Range<usize>,
        operands: &[ValueView<'_>],
        mut output: ValueViewMut<'_>,
    ) -> Result<(), CustomError> {
        let (values, x) = (operands[0].array::<f64>(), operands[1].array::<f64>());
        if let (Some(values), Some(x), Some(mut y)) = (values, x, output.array_mut::<f64>()) {
            for (y, row) in y.iter_mut().zip(rows) {
                *y = self.0.row(row).map(|element| values[[element]] * x[[self.0.columns[element]]]).sum();
            }
        }
        Ok(())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Multilinear(self)
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(2 * self.0.n_values())
    }

    /// A row of y needs all of x, and of the values those that only it knows.
    fn rows(&self) -> Option<&[usize]> {
        Some(&[])
    }

    fn attributes(&self) -> String {
        format!("{} columns, rows {:?}, elements in columns {:?}", self.0.n_columns, self.0.starts, self.0.columns)
    }
}

impl LinearMap for SparseProduct {
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let g = cotangent.graph();
        let positions = |places: &[usize]| g.constant(places.iter().map(|place| *place as i64).collect::<Vec<i64>>());
        let [values, x] = application.operands() else { unreachable!("there are two operands") };
        match operand {
            // The element in row i and column j has the cotangent ȳᵢ·xⱼ.
            0 => cotangent.gather(positions(&self.0.rows()), 0) * x.gather(positions(&self.0.columns), 0),
            // x̄ = Aᵀ·ȳ.
            _ => {
                let (pattern, order) = self.0.transposed();
                g.custom(SparseProduct(pattern), [values.gather(positions(&order), 0), cotangent])
            }
        }
    }
}
