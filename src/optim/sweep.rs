//! One optimizer for each copy of a model. In: parameters of copies, stacked along a first axis. Out: each copy moved by its own
//! optimizer, to the bits that it would have alone.

use std::sync::Arc;

use super::{
    GroupRate, Optimizer, OptimizerError, OptimizerState,
    alignment::check_part,
    error::is_same,
    members::{self, Members, in_group},
};
use crate::parameters::{Buffers, FloatElement, Gradients, Layout, Parameters, Slot};

/// Optimizers of the copies of an [ensemble](crate::Graph::ensemble): copy i along the first axis of all parameters is moved by
/// optimizer i. Rates, decays and momenta may be swept, and of any rule: also those that ask for the length of an array see one copy.
///
/// A step gives each copy the bits that its optimizer alone gives to these gradients. Averages of weights go around it:
/// `Averaged::ema(Sweep::new(rules), 0.99)`.
///
/// What is done to gradients before a step is done to those of all copies together: clipping by the norm. So do a plateau and
/// patience of a [`Trainer`](crate::train::Trainer) see all, and one copy whose loss is no number stops it.
///
/// # Complexity
/// A step copies the arrays of one copy after another, parameters there and back and gradients there: memory for one copy beside what
/// the optimizers remember.
///
/// # Example
/// Three rates in one program:
/// ```
/// use ndarray::array;
/// use pullback::{Graph, Initializer, Parameters, optim::{Adam, Optimizer, Sweep}};
/// let g = Graph::new();
/// let (x, w) = (g.input("x", (2,)), g.parameter("w", (2,), Initializer::Constant(1.0)));
/// let all = g.ensemble(3, [("loss", x.dot(w).square())])?;
/// let mut step = all.graph.compile_training(all.result("loss").expect("it was asked for").sum())?;
///
/// let mut parameters = Parameters::stack(&vec![g.initialize(0)?; 3])?;
/// let mut rule = Sweep::new([1e-3, 1e-2, 1e-1].map(Adam::new));
/// let out = step.run(&parameters, ("x", array![1.0f32, 2.0]))?;
/// rule.step(&mut parameters, &out.gradients)?;
/// // The first step of Adam is as long as its rate.
/// let moved = parameters.array::<f32>("w")?.mapv(|w| (1e6 * (1.0 - w)).round());
/// assert_eq!(moved, array![[1e3f32, 1e3], [1e4, 1e4], [1e5, 1e5]].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("vmap", "hyperparameter_search", "grid_search"))]
#[derive(Debug, Clone)]
pub struct Sweep<O> {
    /// Each with its position, as text.
    rules: Vec<(String, O)>,
    n_steps: u64,
    memory: Option<CopyMemory>,
}

/// Memory for one copy, and where its arrays are among those of all.
#[derive(Debug, Clone)]
struct CopyMemory {
    /// Layouts of all copies: of parameters, of gradients, and of what is moved.
    stacked: [Arc<Layout>; 3],
    parameters: Parameters,
    gradients: Gradients,
    part: Arc<Layout>,
}

impl<O: Optimizer> Sweep<O> {
    /// An optimizer for each copy, in their order.
    pub fn new(rules: impl IntoIterator<Item = O>) -> Sweep<O> {
        let rules = rules.into_iter().enumerate().map(|(position, rule)| (position.to_string(), rule));
        Sweep { rules: rules.collect(), n_steps: 0, memory: None }
    }

    /// The optimizers of the copies.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &O> {
        self.rules.iter().map(|(_, rule)| rule)
    }

    /// New memory for a copy of these layouts, if that which there is does not fit.
    fn new_memory(&self, stacked: [&Arc<Layout>; 3]) -> Result<Option<CopyMemory>, OptimizerError> {
        let is_known = |memory: &CopyMemory| memory.stacked.iter().zip(stacked).all(|(known, new)| is_same(known, new));
        if self.memory.as_ref().is_some_and(is_known) {
            return Ok(None);
        }
        let [parameters, gradients, part] = stacked.map(|layout| self.layout_of_copy(layout));
        Ok(Some(CopyMemory {
            stacked: stacked.map(Arc::clone),
            parameters: Parameters::zeros(parameters?),
            gradients: Gradients::zeros(gradients?),
            part: Arc::new(part?),
        }))
    }

    /// The layout without the axis of the copies.
    fn layout_of_copy(&self, stacked: &Layout) -> Result<Layout, OptimizerError> {
        let n_copies = self.rules.len();
        let slots = stacked.iter().map(|(name, slot)| match slot.shape.split_first() {
            Some((size, shape)) if *size == n_copies => Ok((name, slot.dtype, shape.to_vec())),
            _ => Err(OptimizerError::Copies { name: name.to_owned(), expected: n_copies, found: slot.shape.clone() }),
        });
        let slots: Vec<_> = slots.collect::<Result<_, _>>()?;
        Ok(Layout::new(slots).expect("invariant: names are those of a layout, and sizes are no larger"))
    }

    /// The new memory, if it takes one, once it is known that no optimizer refuses the step.
    fn checked(
        &self,
        parameters: &Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<Option<CopyMemory>, OptimizerError> {
        if self.rules.is_empty() {
            return Err(OptimizerError::NoCopies);
        }
        check_part(part, parameters.layout())?;
        check_part(part, gradients.layout())?;
        let new = self.new_memory([parameters.layout(), gradients.layout(), part])?;
        let memory = new.as_ref().or(self.memory.as_ref()).expect("invariant: memory that does not fit is new");
        for (name, rule) in &self.rules {
            let checked = rule.check_part(&memory.parameters, &memory.gradients, &memory.part);
            checked.map_err(|error| in_group(name, error))?;
        }
        Ok(new)
    }
}

impl<O: Optimizer> Members for Sweep<O> {
    const NAME: &'static str = "sweep";

    fn members(&self) -> impl Iterator<Item = (&str, &dyn Optimizer)> {
        self.rules.iter().map(|(name, rule)| (name.as_str(), rule as &dyn Optimizer))
    }

    fn members_mut(&mut self) -> impl Iterator<Item = (&str, &mut dyn Optimizer)> {
        self.rules.iter_mut().map(|(name, rule)| (name.as_str(), rule as &mut dyn Optimizer))
    }

    fn n_steps(&self) -> u64 {
        self.n_steps
    }

    fn set_n_steps(&mut self, n_steps: u64) {
        self.n_steps = n_steps;
    }
}

impl<O: Optimizer> Optimizer for Sweep<O> {
    fn check_part(
        &self,
        parameters: &Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError> {
        self.checked(parameters, gradients, part).map(drop)
    }

    fn step_part(
        &mut self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError> {
        if let Some(new) = self.checked(parameters, gradients, part)? {
            self.memory = Some(new);
        }
        let memory = self.memory.as_mut().expect("invariant: there is memory after a check");
        for (position, (name, rule)) in self.rules.iter_mut().enumerate() {
            memory.take(position, parameters, gradients);
            let stepped = rule.step_part(&mut memory.parameters, &memory.gradients, &memory.part);
            stepped.map_err(|error| in_group(name, error))?;
            memory.give_back(position, parameters);
        }
        self.n_steps += 1;
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) {
        self.rules.iter_mut().for_each(|(_, rule)| rule.scale_rate(factor));
    }

    fn rates(&self) -> Vec<GroupRate> {
        members::rates(self)
    }

    /// None: averages of single copies are in another layout than the parameters. Average the sweep instead.
    fn averages(&self) -> Option<Vec<&Buffers>> {
        None
    }

    fn state(&self) -> OptimizerState {
        members::state(self)
    }

    fn restore(&mut self, state: OptimizerState) -> Result<(), OptimizerError> {
        members::restore(self, state)
    }
}

impl CopyMemory {
    /// Copies what is moved of a copy out of the arrays of all.
    fn take(&mut self, position: usize, parameters: &Parameters, gradients: &Gradients) {
        let part = &self.part;
        copy::<f32>(part, (parameters, Place::Copy(position)), (&mut self.parameters, Place::Alone));
        copy::<f64>(part, (parameters, Place::Copy(position)), (&mut self.parameters, Place::Alone));
        copy::<f32>(part, (gradients, Place::Copy(position)), (&mut self.gradients, Place::Alone));
        copy::<f64>(part, (gradients, Place::Copy(position)), (&mut self.gradients, Place::Alone));
    }

    /// Copies what was moved back.
    fn give_back(&self, position: usize, parameters: &mut Parameters) {
        copy::<f32>(&self.part, (&self.parameters, Place::Alone), (parameters, Place::Copy(position)));
        copy::<f64>(&self.part, (&self.parameters, Place::Alone), (parameters, Place::Copy(position)));
    }
}

/// Where a copy lies in the arrays of some buffers.
#[derive(Clone, Copy)]
enum Place {
    /// It is all that there is.
    Alone,
    /// It is one of several.
    Copy(usize),
}

impl Place {
    /// Where the elements of an array begin that has `n_elements` in one copy.
    fn start(self, slot: &Slot, n_elements: usize) -> usize {
        match self {
            Place::Alone => slot.range.start,
            Place::Copy(position) => slot.range.start + position * n_elements,
        }
    }
}

/// Copies the arrays of a part, a layout of one copy, from some buffers to others.
fn copy<T: FloatElement>(part: &Layout, (from, source): (&Buffers, Place), (to, target): (&mut Buffers, Place)) {
    for (name, slot) in part.iter().filter(|(_, slot)| slot.dtype == T::DTYPE) {
        let n_elements = slot.range.len();
        let start = |layout: &Layout, place: Place| {
            place.start(layout.get(name).expect("invariant: the part was checked"), n_elements)
        };
        let (start, end) = (start(from.layout(), source), start(to.layout(), target));
        to.elements_mut::<T>()[end..][..n_elements].copy_from_slice(&from.elements::<T>()[start..][..n_elements]);
    }
}
