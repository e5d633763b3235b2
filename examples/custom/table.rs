//! A function that is known by a table: linear between points that lie equally far from each other. In: where it is asked for.
//! Out: its values.

use ndarray::Zip;
use pullback::{
    DType, Expr, Type, ValueView, ValueViewMut,
    ops::{Application, BatchApplication, CustomError, CustomOp, Linearization, Partial, Partials},
};

/// The points of a function, or with `order` 1 its slope between them. Floats are kept as their bits, by which tables are
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    low: u64,
    high: u64,
    points: Vec<u64>,
    order: usize,
}

impl Table {
    /// The function with these values at equal distances from `low` to `high`; at least two.
    pub(crate) fn new(low: f64, high: f64, points: impl IntoIterator<Item = f64>) -> Table {
        let points: Vec<u64> = points.into_iter().map(f64::to_bits).collect();
        assert!(points.len() > 1 && low < high, "a table has two points at least");
        Table { low: low.to_bits(), high: high.to_bits(), points, order: 0 }
    }

    /// The slope between the points.
    pub(crate) fn slope(&self) -> Table {
        Table { order: 1, ..self.clone() }
    }

    fn point(&self, position: usize) -> f64 {
        f64::from_bits(self.points[position])
    }

    /// The value or slope at x; beyond the ends the first and last piece go on.
    fn at(&self, x: f64) -> f64 {
        let (low, high, n_pieces) = (f64::from_bits(self.low), f64::from_bits(self.high), self.points.len() - 1);
        let scale = n_pieces as f64 / (high - low);
        let position = (x - low) * scale;
        // NaN becomes 0 here and stays NaN below.
        let piece = (position as usize).min(n_pieces - 1);
        let difference = self.point(piece + 1) - self.point(piece);
        match self.order {
            0 => self.point(piece) + (position - piece as f64) * difference,
            _ => difference * scale,
        }
    }
}

impl CustomOp for Table {
    const NAME: &'static str = "table";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        match operands {
            [x] if x.dtype == DType::F64 => Ok(x.clone()),
            _ => Err("it takes one f64 array".into()),
        }
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        if let ([ValueView::F64(x)], ValueViewMut::F64(y)) = (operands, output) {
            Zip::from(y).and(x).for_each(|y, x| *y = self.at(*x));
        }
        Ok(())
    }

    fn linearization(&self) -> Linearization<'_> {
        // The slope is a step function.
        if self.order == 0 { Linearization::Partials(self) } else { Linearization::Constant }
    }

    fn attributes(&self) -> String {
        format!("order {} from {:x} to {:x} by {:x?}", self.order, self.low, self.high, self.points)
    }

    /// Elements are apart, so a batch is a larger array, and rows are computed by themselves.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>> {
        let xs = application.operands()[0].expr();
        Some(xs.graph().custom(self.clone(), [xs]))
    }

    fn rows(&self) -> Option<&[usize]> {
        Some(&[0])
    }
}

impl Partials for Table {
    fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
        let x = application.operands()[0];
        Partial::Factor(x.graph().custom(self.slope(), [x]))
    }
}
