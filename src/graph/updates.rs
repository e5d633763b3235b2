//! What becomes of states. In: what a step computes. Out: the states that it sets, each with its new value.

use std::collections::{BTreeMap, BTreeSet};

use super::{Binary, Constant, DType, Expr, Graph, GraphError, Initializer, Literal, NodeId, Op, Operands, State};

/// Who makes a new value of a state, and for how long it holds. All updates of a state are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateKind {
    /// What trains; it holds for good.
    Kept,
    /// Whatever goes over data, to the end of a pass over them: the next begins with the first value again.
    Carried,
}

impl UpdateKind {
    pub(crate) const ALL: [UpdateKind; 2] = [UpdateKind::Kept, UpdateKind::Carried];

    /// The word in the text form.
    pub(crate) fn word(self) -> &'static str {
        match self {
            UpdateKind::Kept => "update",
            UpdateKind::Carried => "carry",
        }
    }
}

/// What becomes of a state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    kind: UpdateKind,
    state: NodeId,
    /// The latest value that the new one was made of: the state, or the value of the update before.
    from: NodeId,
    value: NodeId,
}

impl Graph {
    /// The states that updates set, in the order of declaration, whichever results are asked for.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer};
    /// let g = Graph::new();
    /// let count = g.state_of(DType::I64, "count", (), Initializer::Zeros);
    /// g.state("shift", (), Initializer::Zeros);
    /// g.update(count, |count| count + 1);
    /// let names: Vec<String> = g.updated_states().iter().filter_map(|state| state.name()).collect();
    /// assert_eq!(names, ["count"]);
    /// ```
    pub fn updated_states(&self) -> Vec<Expr<'_>> {
        self.states().into_iter().filter(|state| self.update_kind(state.id()).is_some()).collect()
    }

    /// What a state is after the updates so far: the state itself, if there are none.
    pub(crate) fn latest(&self, state: NodeId) -> NodeId {
        self.with_updates(|updates| {
            updates.iter().rfind(|update| update.state == state).map_or(state, |last| last.value)
        })
    }

    /// Of which kind the updates of a state are, if it has any.
    pub(crate) fn update_kind(&self, state: NodeId) -> Option<UpdateKind> {
        self.with_updates(|updates| updates.iter().find(|update| update.state == state).map(|update| update.kind))
    }

    /// That a value may become that of a state.
    pub(crate) fn check_update(&self, kind: UpdateKind, state: NodeId, value: NodeId) -> Result<(), GraphError> {
        let Op::State(State { name, initializer, .. }) = self.node(state).op.clone() else {
            return Err(GraphError::NotState);
        };
        let name = name.0.to_string();
        let (expected, found) = (self.node(state).ty.clone(), self.node(value).ty.clone());
        if expected != found {
            return Err(GraphError::UpdateType { name, expected, found });
        }
        if self.update_kind(state).is_some_and(|known| known != kind) {
            return Err(GraphError::UpdateKinds { name });
        }
        match (kind, initializer) {
            (UpdateKind::Kept, _) | (UpdateKind::Carried, Initializer::Zeros | Initializer::Constant(_)) => Ok(()),
            (UpdateKind::Carried, _) => Err(GraphError::CarriedInitializer { name, initializer }),
        }
    }

    /// Notes what becomes of a state, of which this value was made.
    pub(crate) fn push_update(&self, kind: UpdateKind, state: NodeId, value: NodeId) {
        let from = self.latest(state);
        self.with_updates(|updates| updates.push(Update { kind, state, from, value }));
    }

    /// The states that a step sets which computes these results, ascending, with their new values: what their updates make of
    /// them one after another, without those that read an input which the results do not read, so that a step need not be fed more
    /// for them.
    pub(crate) fn new_states(&self, results: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        let mut found: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for Update { state, from, value, .. } in self.admitted(results) {
            let latest = found.get(&state).copied().unwrap_or(state);
            found.insert(state, self.replaced(value, from, latest));
        }
        found.into_iter().collect()
    }

    /// The updates from which [`Graph::new_states`] of these results follow, in order, with those before them that they were made of.
    pub(crate) fn updates_beside(&self, results: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        let last: BTreeMap<NodeId, NodeId> =
            self.admitted(results).into_iter().map(|update| (update.state, update.value)).collect();
        let mut open: BTreeSet<NodeId> = last.keys().copied().collect();
        let mut found = Vec::new();
        for Update { state, value, .. } in self.with_updates(|updates| updates.clone()) {
            if open.contains(&state) {
                found.push((state, value));
                if last[&state] == value {
                    open.remove(&state);
                }
            }
        }
        found
    }

    /// The states that a step of these results makes running averages of, each with what it averages: of every update that is
    /// (1 − m)·state + m·x or state + m·(x − state) as it is written, with a constant m between 0 and 1, the state and x.
    pub(crate) fn running_averages(&self, results: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        let averaged = |update: Update| Some((update.state, self.averaged(update.from, update.value)?));
        let kept = self.admitted(results).into_iter().filter(|update| update.kind == UpdateKind::Kept);
        kept.filter_map(averaged).collect()
    }

    /// Those of which a step of these results makes nothing else than running averages.
    pub(crate) fn averaged_states(&self, results: &[NodeId]) -> BTreeSet<NodeId> {
        let is_average =
            |update: &Update| update.kind == UpdateKind::Kept && self.averaged(update.from, update.value).is_some();
        let (averages, others): (Vec<Update>, Vec<Update>) = self.admitted(results).into_iter().partition(is_average);
        let states = |updates: Vec<Update>| updates.into_iter().map(|update| update.state).collect::<BTreeSet<_>>();
        &states(averages) - &states(others)
    }

    /// Of states with their new values those that count on by themselves: their new values are computed from each other and from
    /// states that keep their values, and from no input and no parameter.
    pub(crate) fn counting_states(&self, new_states: &[(NodeId, NodeId)]) -> BTreeSet<NodeId> {
        let is_set = |state: &NodeId| new_states.iter().any(|(known, _)| known == state);
        let mut counting: BTreeSet<NodeId> = new_states.iter().map(|(state, _)| *state).collect();
        loop {
            let is_free = |id: &NodeId| match self.node(*id).op {
                Op::Input(_) | Op::Parameter(_) => false,
                Op::State(_) => !is_set(id) || counting.contains(id),
                _ => true,
            };
            let counts = |value: NodeId| self.ancestors(&[value]).iter().all(is_free);
            let kept = new_states.iter().filter(|(state, value)| counting.contains(state) && counts(*value));
            let kept: BTreeSet<NodeId> = kept.map(|(state, _)| *state).collect();
            if kept.len() == counting.len() {
                return counting;
            }
            counting = kept;
        }
    }

    /// What the value of an update averages, if it is that of a running average.
    fn averaged(&self, from: NodeId, value: NodeId) -> Option<NodeId> {
        let [left, right] = self.binary(Binary::Add, value)?;
        let sides = [(left, right), (right, left)];
        sides.into_iter().find_map(|(kept, taken)| {
            let (weight, averaged) = self.weighted(taken)?;
            if kept == from {
                let [averaged, subtracted] = self.binary(Binary::Sub, averaged)?;
                return (subtracted == from && (0.0..=1.0).contains(&weight)).then_some(averaged);
            }
            let (rest, state) = self.weighted(kept)?;
            // Both factors are rounded to the dtype by themselves.
            let epsilon = if self.node(value).ty.dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
            let is_average = state == from && rest >= 0.0 && weight >= 0.0 && (rest + weight - 1.0).abs() <= epsilon;
            is_average.then_some(averaged)
        })
    }

    /// The operands of an operation of this kind.
    fn binary(&self, kind: Binary, id: NodeId) -> Option<[NodeId; 2]> {
        let operands = self.operands(id);
        (self.node(id).op == Op::Binary(kind)).then(|| [operands[0], operands[1]])
    }

    /// A product with a number that all elements have: the number as its dtype holds it, and the other factor.
    fn weighted(&self, id: NodeId) -> Option<(f64, NodeId)> {
        let number = |id: NodeId| match (&self.node(id).op, self.node(id).ty.dtype) {
            (Op::Constant(Constant { value: Literal::Number(number), .. }), DType::F32) => {
                Some(f64::from(*number as f32))
            }
            (Op::Constant(Constant { value: Literal::Number(number), .. }), DType::F64) => Some(*number),
            _ => None,
        };
        let [left, right] = self.binary(Binary::Mul, id)?;
        number(left).map(|weight| (weight, right)).or_else(|| number(right).map(|weight| (weight, left)))
    }

    /// Whether a new value of a state depends on the argument of a body.
    pub(crate) fn is_of_a_body(&self, value: NodeId) -> bool {
        self.ancestors(&[value]).into_iter().any(|id| matches!(self.node(id).op, Op::Argument(_)))
    }

    /// The updates that read no input, behind what they were made of, which the results do not read.
    fn admitted(&self, results: &[NodeId]) -> Vec<Update> {
        let updates = self.with_updates(|updates| updates.clone());
        if updates.is_empty() {
            return updates;
        }
        let is_input = |id: &NodeId| matches!(self.node(*id).op, Op::Input(_));
        let read: BTreeSet<NodeId> = self.ancestors(results).into_iter().filter(is_input).collect();
        let is_admitted = |update: &Update| {
            let behind = self.between(update.from, update.value);
            behind.into_iter().filter(is_input).all(|input| read.contains(&input))
        };
        updates.into_iter().filter(is_admitted).collect()
    }

    /// What a value is computed from without looking behind another, itself among it.
    fn between(&self, from: NodeId, value: NodeId) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut left = vec![value];
        while let Some(id) = left.pop() {
            if id != from && found.insert(id) {
                left.extend(self.operands(id));
            }
        }
        found
    }

    /// A value with a node that it is computed from replaced by another of its type.
    fn replaced(&self, value: NodeId, from: NodeId, by: NodeId) -> NodeId {
        if from == by {
            return value;
        }
        let mut image = BTreeMap::from([(from, by)]);
        for id in self.between(from, value) {
            let operands = self.operands(id);
            if operands.iter().any(|operand| image.contains_key(operand)) {
                let operands: Operands =
                    operands.into_iter().map(|operand| image.get(&operand).copied().unwrap_or(operand)).collect();
                let node = self.node(id).clone();
                image.insert(id, self.insert_copy(&node, &operands));
            }
        }
        image.get(&value).copied().unwrap_or(value)
    }
}
