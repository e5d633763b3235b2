//! A loss made ready to be studied. In: a loss. Out: a [`Landscape`], programs of its value, gradient and
//! Hessian–vector product in which all parameters are one vector of f64. The user's graph stays as it is: all is built
//! in a copy.

use std::sync::Arc;

use super::{direction::Direction, error::LandscapeError, point::Point};
use crate::{
    compile::Options,
    graph::{DType, Expr, Graph, NodeId, Site},
    parameters::{Layout, ParameterError, Parameters},
    program::{CompileError, Inputs, Program},
    simplify::without_rewrites,
};

/// A loss, its gradient and its Hessian–vector product, compiled once, to be studied at any point.
///
/// The loss may be of `f32` or `f64`, its parameters of both. Directions, gradients and spectra are in `f64`; with
/// `f32` parameters the products have the precision of `f32`, so ask for eigenvalues to 10⁻⁴ of the greatest and no
/// closer.
///
/// # Example
/// The saddle of (1 − w₂w₁)² at the origin:
/// ```
/// use pullback::{DType, Graph, Initializer, landscape::{Lanczos, Landscape, StationaryKind, Tolerance}};
/// let g = Graph::new();
/// let w1 = g.parameter_of(DType::F64, "w1", (), Initializer::Zeros);
/// let w2 = g.parameter_of(DType::F64, "w2", (), Initializer::Zeros);
/// let mut landscape = Landscape::new((1.0 - w2 * w1).powi(2))?;
/// let origin = g.initialize(0)?;
/// let mut point = landscape.point(&origin, ())?;
/// assert_eq!(point.value(), 1.0);
/// let spectrum = point.eigenvalues()?;
/// assert!((spectrum[0] + 2.0).abs() < 1e-14 && (spectrum[1] - 2.0).abs() < 1e-14);
/// let found = point.stationary_kind(&Tolerance { gradient: 1e-9, eigenvalue: 1e-9 }, &Lanczos::seeded(0))?;
/// assert_eq!(found.kind, StationaryKind::Saddle);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Landscape {
    /// Gives `loss`.
    pub(super) value: Program,
    /// Gives `loss` and `gradient`.
    pub(super) gradient: Program,
    /// Takes a direction too, and gives `product`.
    pub(super) product: Program,
    /// What the direction is fed as.
    pub(super) direction: String,
    pub(super) layout: Arc<Layout>,
    /// Where the loss was written.
    pub(super) site: Site,
    /// Where each parameter was declared, in the order of the layout.
    pub(super) sites: Vec<Site>,
}

impl Landscape {
    /// Compiles a loss with respect to all parameters that it depends on. The graph is not changed.
    ///
    /// # Errors
    /// [`LandscapeError::Compile`] with every error of the graph, or if the loss is no float scalar, or if a size can
    /// be told by no input; [`LandscapeError::NoParameters`].
    ///
    /// # Complexity
    /// A Hessian–vector product costs a small multiple of the loss, by forward over reverse mode.
    ///
    /// # Source
    /// Pearlmutter, *Fast exact multiplication by the Hessian*, 1994; Griewank and Walther, *Evaluating Derivatives*,
    /// 2nd edition, 2008, chapter 5.
    #[track_caller]
    pub fn new(loss: Expr<'_>) -> Result<Landscape, LandscapeError> {
        Landscape::with_options(loss, &Options::default())
    }

    /// [`Landscape::new`] with options of the compiler.
    ///
    /// # Errors
    /// As for [`Landscape::new`].
    #[track_caller]
    pub fn with_options(loss: Expr<'_>, options: &Options) -> Result<Landscape, LandscapeError> {
        let (site, user_graph) = (Site::caller(), loss.graph());
        user_graph.check().map_err(CompileError::from)?;
        let kept: Vec<NodeId> = std::iter::once(loss).chain(user_graph.inputs()).map(|kept| kept.id()).collect();
        let copy = without_rewrites(user_graph, &kept);
        let (g, site_of_loss) = (copy.graph, loss.site());
        let _frame = g.enter("landscape", site);
        Landscape::compile(g.expr(copy.results[0]), site_of_loss, options)
    }

    /// Builds the derivatives in a graph that holds the loss, its parameters and the inputs alone.
    fn compile(loss: Expr<'_>, site: Site, options: &Options) -> Result<Landscape, LandscapeError> {
        let g = loss.graph();
        let parameters = g.parameters();
        let layout = layout_of(&parameters).map_err(CompileError::from)?;
        if layout.n_elements() == 0 {
            return Err(LandscapeError::NoParameters { site });
        }
        let gradient = join(&g.gradients(loss, &parameters));
        let name = free_name(g);
        let direction = g.input_of(DType::F64, &name, (layout.n_elements(),));
        let product =
            g.jvp(gradient, &parameters.iter().copied().zip(split(direction, &parameters)).collect::<Vec<_>>());
        let value = loss.cast(DType::F64);
        Ok(Landscape {
            value: g.compile_with([("loss", value)], options)?,
            gradient: g.compile_with([("loss", value), ("gradient", gradient)], options)?,
            product: g.compile_with([("product", product)], options)?,
            direction: name,
            layout: Arc::new(layout),
            site,
            sites: parameters.iter().map(Expr::site).collect(),
        })
    }

    /// The parameters that the loss depends on, in the order of declaration.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The number of coordinates: of elements of all parameters together.
    pub fn dimension(&self) -> usize {
        self.layout.n_elements()
    }

    /// The loss at these parameters, for what is fed. Further parameters that the loss does not depend on may be among
    /// them.
    ///
    /// # Errors
    /// [`LandscapeError::Run`] as for [`Program::run`]; [`LandscapeError::LossNotFinite`].
    #[doc(alias = "at")]
    pub fn point<'a, I: Inputs>(
        &'a mut self,
        parameters: &Parameters,
        inputs: I,
    ) -> Result<Point<'a, I>, LandscapeError> {
        Point::new(self, parameters, inputs)
    }

    /// The coordinates of a direction among the parameters of the loss; those of other parameters are left out.
    pub(super) fn coordinates(&self, direction: &Direction) -> Result<Vec<f64>, LandscapeError> {
        if **direction.layout() == *self.layout {
            return Ok(direction.elements().to_vec());
        }
        let mut elements = Vec::with_capacity(self.dimension());
        for (name, slot) in self.layout.iter() {
            let found = direction.array(name).filter(|array| array.shape() == slot.shape);
            let error = || LandscapeError::Direction { name: name.to_owned(), shape: slot.shape.clone() };
            elements.extend(found.ok_or_else(error)?.iter());
        }
        Ok(elements)
    }
}

fn layout_of(parameters: &[Expr<'_>]) -> Result<Layout, ParameterError> {
    let slot = |parameter: &Expr<'_>| {
        let shape = parameter.shape().as_numbers().expect("invariant: parameters have fixed sizes");
        (parameter.name().unwrap_or_default(), parameter.dtype(), shape)
    };
    Ok(Layout::new(parameters.iter().map(slot))?)
}

/// All elements of some arrays, one array after another, as one vector of f64.
fn join<'g>(arrays: &[Expr<'g>]) -> Expr<'g> {
    let flat = |array: &Expr<'g>| array.reshape((array.shape().size(),)).cast(DType::F64);
    match arrays {
        [single] => flat(single),
        [first, others @ ..] => flat(first).concat(others.iter().map(flat), 0),
        [] => unreachable!("invariant: there are parameters"),
    }
}

/// The part of a vector that belongs to each parameter, in its type: the inverse of [`join`].
fn split<'g>(vector: Expr<'g>, parameters: &[Expr<'g>]) -> Vec<Expr<'g>> {
    let mut start = 0;
    let mut part = |parameter: &Expr<'g>| {
        let size = parameter.shape().size().as_number().expect("invariant: parameters have fixed sizes");
        let elements = vector.slice(start..start + size);
        start += size;
        elements.reshape(parameter.shape()).cast(parameter.dtype())
    };
    parameters.iter().map(&mut part).collect()
}

/// A name that no input and no parameter has.
fn free_name(g: &Graph) -> String {
    let mut name = "direction".to_owned();
    while g.named(&name).is_some() {
        name.push('_');
    }
    name
}
