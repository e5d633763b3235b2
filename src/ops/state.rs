//! What a model keeps between steps beside its parameters, and whether it is being trained. In: names and types. Out: the
//! leaves, and the new values that a training step gives them.

use ndarray::arr0;

use super::{
    real::Real,
    rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_operands},
    sample::Sample,
};
use crate::graph::{
    DType, Dim, Expr, Graph, GraphError, Initializer, IsTraining, Op, Shape, Site, State, Type, UpdateKind, Value,
};

impl State {
    /// That the shape has no symbol and the initializer gives numbers of the dtype.
    pub(super) fn check(&self) -> Result<(), GraphError> {
        if self.shape.as_numbers().is_none() {
            return Err(GraphError::SymbolicParameter { shape: self.shape.clone() });
        }
        let is_held = match (self.dtype, self.initializer) {
            (DType::F32 | DType::F64, initializer) => initializer != Initializer::Key,
            (DType::I64, Initializer::Key) | (_, Initializer::Zeros) => true,
            (DType::I64, Initializer::Constant(number)) => number as i64 as f64 == number,
            (DType::Bool, Initializer::Constant(number)) => number == 0.0 || number == 1.0,
            _ => false,
        };
        let (initializer, dtype) = (self.initializer, self.dtype);
        if is_held { Ok(()) } else { Err(GraphError::InitializerDType { initializer, dtype }) }
    }
}

impl Rule for IsTraining {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_operands::<0>(operands)?;
        Ok(Type::new(DType::Bool, ()))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Constant
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Leaf
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    /// False: what trains has settled it before.
    fn evaluate<R: Real>(&self, _: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(Value::Bool(arr0(false).into_dyn()))
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        vec![Sample::smooth(IsTraining {}, [])]
    }
}

impl Graph {
    /// An `f32` array that the model keeps between steps and that no gradient moves: running statistics, a counter, a hidden state
    /// that goes on from batch to batch. [`Graph::update`] says what a training step makes of it, or [`Graph::carry`] what a
    /// batch hands to the next. It is among what [`Graph::initialize`] gives, under
    /// `name` with the open scopes before it, and every program reads it as it reads parameters.
    ///
    /// # Errors
    /// An error is recorded if the name is taken, if the shape has a symbol, or if the initializer gives no numbers of the dtype.
    ///
    /// # Example
    /// The running mean of what is fed, which training updates and evaluation reads:
    /// ```
    /// use ndarray::array;
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 2));
    /// let scale = g.parameter("scale", (2,), Initializer::Constant(1.0));
    /// let mean = g.state("mean", (2,), Initializer::Zeros);
    /// g.update(mean, |mean| 0.5 * mean + 0.5 * x.mean_over(0));
    /// let centred = (x - mean) * scale;
    ///
    /// let mut parameters = g.initialize(0)?;
    /// let mut step = g.compile_training(centred.square().mean())?;
    /// step.run(&mut parameters, ("x", &array![[2.0f32, 4.0], [4.0, 8.0]]))?;
    /// let mut evaluation = g.compile(centred)?;
    /// let out = evaluation.run(&parameters, ("x", &array![[1.5f32, 3.0]]))?;
    /// assert_eq!(out["result"], array![[0.0f32, 0.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("buffer", "register_buffer", "variable"))]
    #[track_caller]
    pub fn state(&self, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> Expr<'_> {
        let _frame = self.enter("state", Site::caller());
        self.state_of(DType::F32, name, shape, initializer)
    }

    /// [`Graph::state`] of any dtype: counters and keys of random numbers are `i64`.
    ///
    /// # Errors
    /// As for [`Graph::state`].
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer};
    /// let g = Graph::new();
    /// let steps = g.state_of(DType::I64, "steps", (), Initializer::Zeros);
    /// g.update(steps, |steps| steps + 1);
    /// assert!(g.check().is_ok());
    /// ```
    #[track_caller]
    pub fn state_of(&self, dtype: DType, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> Expr<'_> {
        let _frame = self.enter("state", Site::caller());
        let name = self.scoped(name);
        self.declare(State { name, initializer, dtype, shape: shape.into() })
    }

    /// Says what a training step makes of a state: `next` is given its latest value, which is that of the update before, if
    /// there is one, and gives the new one. Programs that [`Graph::compile`] makes update nothing.
    ///
    /// A step reads every state as it was before the step. It leaves out updates that read an input which the loss and the other
    /// results do not read: what was written for other inputs asks for nothing. A step in [`Mode::Evaluation`](crate::Mode) makes
    /// none. An update in the closure of a loop, branch or function happens once in a step, whatever runs of it.
    ///
    /// # Errors
    /// An error is recorded if `state` is none, if the new value has another type, or if it depends on an argument of the closure of
    /// a loop, branch, function or `vmap`: return it from the closure, and update behind it.
    ///
    /// # Example
    /// See [`Graph::state`].
    #[doc(alias = "assign")]
    #[track_caller]
    pub fn update<'g>(&'g self, state: Expr<'g>, next: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("update", Site::caller());
        self.set(UpdateKind::Kept, state, next)
    }

    /// Says what a batch hands to the next within one pass over data: `next` is given the latest value of a state, as by
    /// [`Graph::update`], and gives the one that the next batch begins with. **Truncated backpropagation** is that: no derivative
    /// goes back through a state, so that each is that of one window of a long sequence, while the values are those of the whole.
    ///
    /// A pass is an epoch of training or one evaluation of a dataset, and each begins with what the initializer says, `Zeros` or a
    /// `Constant`. [`Trainer`](crate::train::Trainer) sees to that, asks for batches that
    /// [continue](crate::data::Batching::continued) each other, and carries on while it measures, on a copy. In a loop of one's own
    /// [`TrainingStep::restart`](crate::TrainingStep::restart) begins a pass; a program that [`Graph::compile`] makes sets nothing,
    /// and gives the value that this returns, if it is asked for it.
    ///
    /// A training step sets the state in both [modes](crate::Mode), also where a pattern of
    /// [`Options::frozen`](crate::Options::frozen) names it: where a sequence is does not depend on what learns.
    ///
    /// A source that does not know how many examples it has gives its rows in its own order: it must give those of one place of a
    /// batch each time in that place, which nobody can see.
    ///
    /// # Errors
    /// As for [`Graph::update`]; also if the initializer is random, or if another call updates that state.
    ///
    /// # Example
    /// A running sum over windows of a sequence, of which each window alone has a derivative:
    /// ```
    /// use pullback::{
    ///     Graph, Initializer, data::{Batching, Dataset}, optim::Sgd, train::{Fit, Trainer},
    /// };
    /// let g = Graph::new();
    /// let (x, y) = (g.input("x", (2, 3)), g.input("y", (2, 3)));
    /// let w = g.parameter("w", (), Initializer::Constant(0.5));
    /// let sum = g.state("sum", (2,), Initializer::Zeros);
    /// let sums = sum.unsqueeze(-1) + (w * x).cumulative_sum(1);
    /// g.carry(sum, |_| sums.slice((.., -1)));
    ///
    /// // Two sequences, each in two windows of three numbers; row 0 goes on in row 1, row 2 in row 3.
    /// let windows = [[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]];
    /// let expected = [[1.0f32, 3.0, 6.0], [10.0, 15.0, 21.0], [0.0, 1.0, 1.0], [2.0, 2.0, 3.0]];
    /// let data = Dataset::new().column("x", ndarray::arr2(&windows))?.column("y", ndarray::arr2(&expected))?;
    /// let mut trainer = Trainer::new((sums - y).square(), [])?;
    /// let (mut parameters, mut sgd) = (g.initialize(0)?, Sgd::new(0.01));
    /// trainer.training(&mut parameters, &mut sgd).fit(&data, &Fit::new(50, Batching::new(2).continued()))?;
    /// let loss = &trainer.evaluate(&parameters, &data, 0.95)?[0];
    /// assert!(loss.estimate.value < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("stateful", "tbptt", "truncated_backpropagation"))]
    #[track_caller]
    pub fn carry<'g>(&'g self, state: Expr<'g>, next: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("carry", Site::caller());
        self.set(UpdateKind::Carried, state, next)
    }

    /// Notes what becomes of a state.
    fn set<'g>(&'g self, kind: UpdateKind, state: Expr<'g>, next: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        if let Some(poison) = self.refuse(&[state]) {
            return poison;
        }
        let Op::State(State { name, .. }) = state.op() else { return self.report(GraphError::NotState, &[state]) };
        let value = {
            let _left = self.leave();
            next(self.expr(self.latest(state.id())))
        };
        if let Some(poison) = self.refuse(&[value]) {
            return poison;
        }
        if let Err(error) = self.check_update(kind, state.id(), value.id()) {
            return self.report(error, &[state, value]);
        }
        if self.is_of_a_body(value.id()) {
            return self.report(GraphError::UpdateInBody { name: name.0.to_string() }, &[state, value]);
        }
        self.push_update(kind, state.id(), value.id());
        value
    }

    /// Whether the graph runs to train, a `bool` scalar: true in what [`Graph::compile_training`] makes, false in what
    /// [`Graph::compile`] makes, unless [`Options::mode`](crate::Options::mode) says otherwise. It is settled when the graph is
    /// compiled: of a [`select`](Expr::select) by it, one branch is left.
    ///
    /// # Example
    /// Noise while training:
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, step) = (g.input("x", (3,)), g.input_of(DType::I64, "step", ()));
    /// let noisy = x + g.random_normal(g.constant(7i64), step, DType::F32, x.shape());
    /// let y = g.is_training().select(noisy, x);
    /// let mut evaluation = g.compile(y)?; // It needs no `step`.
    /// assert_eq!(evaluation.call(("x", [1.0f32, 2.0, 3.0]))?["result"], ndarray::arr1(&[1.0f32, 2.0, 3.0]).into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("training", "train", "eval"))]
    #[track_caller]
    pub fn is_training(&self) -> Expr<'_> {
        let _frame = self.enter("is_training", Site::caller());
        self.apply(IsTraining {}, &[])
    }
}
