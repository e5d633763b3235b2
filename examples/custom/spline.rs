//! A smooth function through points, by a spline of another crate. In: where it is asked for. Out: its values, or a derivative of
//! any order, which that crate computes.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use gcv_spline::GcvSpline;
use ndarray::Zip;
use pullback::{
    DType, Expr, Type, ValueView, ValueViewMut,
    ops::{Application, BatchApplication, CustomError, CustomOp, Linearization, Partial, Partials},
};

/// A derivative of a spline of degree 5; order 0 is the spline itself.
#[derive(Debug, Clone)]
pub(crate) struct Spline {
    spline: Arc<GcvSpline<f64>>,
    order: usize,
}

impl Spline {
    /// The spline through these points.
    pub(crate) fn through(times: &[f64], values: &[f64]) -> Result<Spline, CustomError> {
        let spline = GcvSpline::from_data(&times.to_vec(), &values.to_vec()).map_err(|error| format!("{error:?}"))?;
        Ok(Spline { spline: Arc::new(spline), order: 0 })
    }
}

/// One and the same spline: that crate does not compare them.
impl PartialEq for Spline {
    fn eq(&self, other: &Spline) -> bool {
        Arc::ptr_eq(&self.spline, &other.spline) && self.order == other.order
    }
}

impl Eq for Spline {}

impl Hash for Spline {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.spline), self.order).hash(state);
    }
}

impl CustomOp for Spline {
    const NAME: &'static str = "spline";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        match operands {
            [x] if x.dtype == DType::F64 => Ok(x.clone()),
            _ => Err("it takes one f64 array".into()),
        }
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        if let ([ValueView::F64(x)], ValueViewMut::F64(y)) = (operands, output) {
            Zip::from(y).and(x).for_each(|y, x| *y = self.spline.point_derivative(*x, self.order));
        }
        Ok(())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }

    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>> {
        let xs = application.operands()[0].expr();
        Some(xs.graph().custom(self.clone(), [xs]))
    }

    fn rows(&self) -> Option<&[usize]> {
        Some(&[0])
    }
}

impl Partials for Spline {
    fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
        let x = application.operands()[0];
        Partial::Factor(x.graph().custom(Spline { order: self.order + 1, ..self.clone() }, [x]))
    }
}
