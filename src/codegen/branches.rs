//! Choices → branches. In: code in which both sides of every choice are computed. Out: the same code, in which what one side of a choice
//! alone needs is computed only where that side is taken, with all choices by one condition in one branch.
//!
//! The argument: a scalar is on one side of a condition if all that use it are, or are choices by the condition that take it on that side. It
//! may then be computed inside of a branch, since nothing is read elsewhere. Runs of scalars and stores are scheduled as a list:
//! what waits for no choice comes first, in the order it had; then one branch, with every choice by its condition whose operands are
//! there; and so on. The first choice that is left can always be made, because all that its operands wait for comes before it.
//! A value of one side that a later branch by the same condition uses again is kept in a variable.

use std::collections::{HashMap, HashSet};

use super::{
    functions::FunctionForm,
    ir::{ArrayPlace, FunctionCode, Scalar, ScalarId, ScalarKind, Statement, VariableId},
};
use crate::plan::{Function, ScalarValue};

/// The least work of both sides that is worth a branch, in additions: about what a branch costs that was not foreseen.
const MIN_WORK: usize = 16;

/// A side of a choice: its condition, and whether it is taken where that is true.
type ChoiceSide = (ScalarId, bool);

/// Whether a block is run again and again, so that a compiler may make vectors of its loop, which a branch would forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    Once,
    Loop,
}

/// A statement of a run, with what is said of it.
struct RunItem {
    comment: Option<String>,
    statement: Statement,
}

impl FunctionCode {
    /// Computes what one side of a choice alone needs where that side is taken.
    pub(super) fn branch(&mut self) {
        let statements = std::mem::take(&mut self.statements);
        let uses = self.count_uses(&statements);
        self.statements = self.branched(statements, Repetition::Once, &uses);
    }

    /// How often each scalar is used.
    fn count_uses(&self, statements: &[Statement]) -> Vec<usize> {
        let mut uses = vec![0; self.scalars.len()];
        self.add_uses(statements, &mut uses);
        uses
    }

    fn add_uses(&self, statements: &[Statement], uses: &mut [usize]) {
        for statement in statements {
            for operand in self.operands(statement) {
                uses[operand.0] += 1;
            }
            statement.blocks().into_iter().for_each(|block| self.add_uses(block, uses));
        }
    }

    fn operands(&self, statement: &Statement) -> Vec<ScalarId> {
        match statement {
            Statement::Let(scalar) => match &self.scalars[scalar.0].kind {
                ScalarKind::Apply { operands, .. } => operands.to_vec(),
                _ => Vec::new(),
            },
            other => other.uses().into_iter().collect(),
        }
    }

    /// A block, run by run; blocks inside come first.
    fn branched(&mut self, statements: Vec<Statement>, repetition: Repetition, uses: &[usize]) -> Vec<Statement> {
        let (mut done, mut run) = (Vec::with_capacity(statements.len()), Vec::new());
        let mut comment = None;
        for mut statement in statements {
            if let Statement::Comment(text) = statement {
                comment = Some(text);
                continue;
            }
            let inside = match statement {
                Statement::For { .. } | Statement::While { .. } => Repetition::Loop,
                _ => repetition,
            };
            for block in statement.blocks_mut() {
                *block = self.branched(std::mem::take(block), inside, uses);
            }
            let item = RunItem { comment: comment.clone(), statement };
            if self.may_move(&item.statement) {
                run.push(item);
            } else {
                done.extend(self.branched_run(std::mem::take(&mut run), repetition, uses));
                done.push(item);
            }
        }
        done.extend(self.branched_run(run, repetition, uses));
        with_comments(done)
    }

    /// Whether a statement may change places with others of its run.
    fn may_move(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Let(scalar) => match &self.scalars[scalar.0].kind {
                ScalarKind::Number(_) | ScalarKind::Apply { .. } => true,
                ScalarKind::Load { array, .. } => {
                    matches!(self.arrays[array.0].place, ArrayPlace::Input | ArrayPlace::Constant)
                }
                ScalarKind::Read { .. } | ScalarKind::Position(_) | ScalarKind::Within { .. } => false,
            },
            Statement::Store { .. } | Statement::Assign { .. } => true,
            _ => false,
        }
    }

    fn branched_run(&mut self, items: Vec<RunItem>, repetition: Repetition, uses: &[usize]) -> Vec<RunItem> {
        let sides = self.sides(&items, repetition, uses);
        if sides.conditions.is_empty() {
            return items;
        }
        BranchSchedule::new(self, items, sides).run(repetition)
    }
}

/// Which scalars of a run are on one side of a condition.
#[derive(Default)]
struct ChoiceSides {
    /// The conditions that become branches.
    conditions: HashSet<ScalarId>,
    of: HashMap<ScalarId, ChoiceSide>,
}

impl FunctionCode {
    /// The sides of scalars of a run, by the conditions that are worth a branch.
    fn sides(&self, items: &[RunItem], repetition: Repetition, uses: &[usize]) -> ChoiceSides {
        let choices = items.iter().filter_map(|item| self.choice(&item.statement));
        let mut sides =
            ChoiceSides { conditions: choices.map(|(condition, ..)| condition).collect(), of: HashMap::new() };
        while !sides.conditions.is_empty() {
            sides.of = self.sides_by(items, &sides.conditions, uses);
            let mut work: HashMap<ScalarId, usize> = HashMap::new();
            for (scalar, (condition, _)) in &sides.of {
                *work.entry(*condition).or_default() += self.work(*scalar, repetition);
            }
            let is_worth = |condition: &ScalarId| work.get(condition).is_some_and(|work| *work >= MIN_WORK);
            let n_before = sides.conditions.len();
            sides.conditions.retain(is_worth);
            if sides.conditions.len() == n_before {
                return sides;
            }
        }
        ChoiceSides::default()
    }

    /// Condition and sides of a choice.
    fn choice(&self, statement: &Statement) -> Option<(ScalarId, ScalarId, ScalarId)> {
        let Statement::Let(scalar) = statement else { return None };
        match &self.scalars[scalar.0].kind {
            ScalarKind::Apply { function: Function::Select, operands } => Some((operands[0], operands[1], operands[2])),
            _ => None,
        }
    }

    fn sides_by(
        &self,
        items: &[RunItem],
        conditions: &HashSet<ScalarId>,
        uses: &[usize],
    ) -> HashMap<ScalarId, ChoiceSide> {
        let mut found: HashMap<ScalarId, ChoiceSide> = HashMap::new();
        // The side of all uses so far, or none if they differ; and how many uses there were.
        let mut wanted: HashMap<ScalarId, (Option<ChoiceSide>, usize)> = HashMap::new();
        for item in items.iter().rev() {
            let own = match &item.statement {
                Statement::Let(scalar) => {
                    let side = wanted.get(scalar).filter(|(_, n)| *n == uses[scalar.0]).and_then(|(side, _)| *side);
                    if let (Some(side), ScalarKind::Apply { .. }) = (side, &self.scalars[scalar.0].kind) {
                        found.insert(*scalar, side);
                    }
                    found.get(scalar).copied()
                }
                _ => None,
            };
            let choice = self.choice(&item.statement).filter(|(condition, ..)| conditions.contains(condition));
            for (position, operand) in self.operands(&item.statement).into_iter().enumerate() {
                let side = match (own, choice) {
                    (Some(own), _) => Some(own),
                    (None, Some((condition, ..))) if position > 0 => Some((condition, position == 1)),
                    _ => None,
                };
                let entry = wanted.entry(operand).or_insert((side, 0));
                entry.0 = entry.0.filter(|known| Some(*known) == side);
                entry.1 += 1;
            }
        }
        found
    }

    /// What a scalar costs that need not be computed, in additions; in a loop only functions that keep a compiler from making vectors.
    fn work(&self, scalar: ScalarId, repetition: Repetition) -> usize {
        let ScalarKind::Apply { function, operands } = &self.scalars[scalar.0].kind else { return 0 };
        // That of a choice's condition, which is its first operand, says nothing.
        let dtype = self.scalars[operands.get(1).unwrap_or(&operands[0]).0].dtype;
        match (function.form(dtype), repetition) {
            (FunctionForm::Math("sqrt" | "floor" | "ceil" | "rint"), Repetition::Loop) => 0,
            (FunctionForm::Math(_) | FunctionForm::Helper(_), _) => 16,
            (_, Repetition::Loop) => 0,
            (FunctionForm::Operator("/", _), _) => 4,
            _ => 1,
        }
    }
}

/// A run while it is put in order.
struct BranchSchedule<'c> {
    code: &'c mut FunctionCode,
    items: Vec<RunItem>,
    sides: ChoiceSides,
    is_done: Vec<bool>,
    /// The item that makes a scalar.
    makers: HashMap<ScalarId, usize>,
    /// Variables in which later branches find values of earlier ones.
    kept: HashMap<ScalarId, ScalarId>,
    output: Vec<RunItem>,
}

impl<'c> BranchSchedule<'c> {
    fn new(code: &'c mut FunctionCode, items: Vec<RunItem>, sides: ChoiceSides) -> BranchSchedule<'c> {
        let maker = |(position, item): (usize, &RunItem)| match item.statement {
            Statement::Let(scalar) => Some((scalar, position)),
            _ => None,
        };
        let makers = items.iter().enumerate().filter_map(maker).collect();
        let is_done = vec![false; items.len()];
        BranchSchedule { code, items, sides, is_done, makers, kept: HashMap::new(), output: Vec::new() }
    }

    fn run(mut self, repetition: Repetition) -> Vec<RunItem> {
        loop {
            self.plain();
            let Some(condition) = self.next_condition() else { break };
            self.one_branch(condition, repetition);
        }
        self.output
    }

    /// The side of the scalar that an item makes.
    fn side(&self, position: usize) -> Option<ChoiceSide> {
        match &self.items[position].statement {
            Statement::Let(scalar) => self.sides.of.get(scalar).copied(),
            _ => None,
        }
    }

    /// The condition, if an item is a choice that is made by a branch of this run.
    fn branching(&self, position: usize) -> Option<ScalarId> {
        let (condition, ..) = self.code.choice(&self.items[position].statement)?;
        (self.side(position).is_none() && self.sides.conditions.contains(&condition)).then_some(condition)
    }

    fn is_ready(&self, position: usize, is_there: impl Fn(usize) -> bool) -> bool {
        let operands = self.code.operands(&self.items[position].statement);
        operands.iter().filter_map(|operand| self.makers.get(operand)).all(|maker| is_there(*maker))
    }

    /// What waits for no choice, in order. Stores into memory that is used again, and variables, keep their order; an element of an output
    /// is stored once.
    fn plain(&mut self) {
        let mut is_held_up = false;
        for position in 0..self.items.len() {
            if self.is_done[position] || self.side(position).is_some() || self.branching(position).is_some() {
                continue;
            }
            let keeps_order = match self.items[position].statement {
                Statement::Store { array, .. } => self.code.arrays[array.0].place != ArrayPlace::Output,
                Statement::Assign { .. } => true,
                _ => false,
            };
            if self.is_ready(position, |maker| self.is_done[maker]) && !(keeps_order && is_held_up) {
                self.is_done[position] = true;
                let RunItem { comment, statement } = &self.items[position];
                self.output.push(RunItem { comment: comment.clone(), statement: statement.clone() });
            } else {
                is_held_up |= keeps_order;
            }
        }
    }

    fn next_condition(&self) -> Option<ScalarId> {
        (0..self.items.len()).filter(|position| !self.is_done[*position]).find_map(|position| self.branching(position))
    }

    /// The items that a branch makes now: choices by the condition, and what these need of either side.
    fn members(&self, condition: ScalarId) -> Vec<usize> {
        let mut is_member = vec![false; self.items.len()];
        for position in 0..self.items.len() {
            let is_candidate = self.branching(position) == Some(condition)
                || self.side(position).is_some_and(|(by, _)| by == condition);
            is_member[position] = is_candidate
                && !self.is_done[position]
                && self
                    .is_ready(position, |maker| self.is_done[maker] || is_member[maker] && self.side(maker).is_some());
        }
        let mut is_needed = vec![false; self.items.len()];
        for position in (0..self.items.len()).rev().filter(|position| is_member[*position]) {
            is_needed[position] |= self.branching(position).is_some();
            if is_needed[position] {
                let operands = self.code.operands(&self.items[position].statement);
                let makers: Vec<usize> =
                    operands.iter().filter_map(|operand| self.makers.get(operand)).copied().collect();
                makers.into_iter().filter(|maker| is_member[*maker]).for_each(|maker| is_needed[maker] = true);
            }
        }
        (0..self.items.len()).filter(|position| is_needed[*position]).collect()
    }

    /// Writes one branch.
    fn one_branch(&mut self, condition: ScalarId, repetition: Repetition) {
        let members = self.members(condition);
        assert!(!members.is_empty(), "invariant: the first choice by a condition waits for nothing but its sides");
        members.iter().for_each(|position| self.is_done[*position] = true);
        let mut blocks: [Vec<RunItem>; 2] = Default::default();
        let mut reads = Vec::new();
        let comment = members.first().and_then(|position| self.items[*position].comment.clone());
        for position in members {
            let RunItem { comment, statement } = &self.items[position];
            let item = |statement: Statement| RunItem { comment: comment.clone(), statement };
            let Statement::Let(scalar) = *statement else { continue };
            let Some((_, is_true)) = self.side(position) else {
                let (_, yes, no) = self.code.choice(statement).expect("invariant: a member is on a side or a choice");
                let variable = self.code.declared(scalar, &mut self.output);
                for (block, value) in blocks.iter_mut().zip([yes, no]) {
                    block.push(item(Statement::Assign { variable, value }));
                }
                let read = read_of(variable);
                self.code.scalars[scalar.0].kind = read;
                reads.push(item(Statement::Let(scalar)));
                continue;
            };
            let side = usize::from(!is_true);
            blocks[side].push(item(Statement::Let(scalar)));
            if self.is_used_later(scalar) {
                let variable = self.code.declared(scalar, &mut self.output);
                blocks[side].push(item(Statement::Assign { variable, value: scalar }));
                let kind = read_of(variable);
                let dtype = self.code.scalars[scalar.0].dtype;
                self.code.scalars.push(Scalar { kind, dtype });
                let read = ScalarId(self.code.scalars.len() - 1);
                self.kept.insert(scalar, read);
                reads.push(item(Statement::Let(read)));
            }
        }
        let [then, otherwise] = blocks.map(|block| {
            let statements = with_comments(block);
            let uses = self.code.count_uses(&statements);
            self.code.branched(statements, repetition, &uses)
        });
        self.output.push(RunItem { comment, statement: Statement::If { condition, then, otherwise } });
        self.output.append(&mut reads);
        self.rename();
    }

    /// Whether something that is not done uses a scalar.
    fn is_used_later(&self, scalar: ScalarId) -> bool {
        let later = self.items.iter().zip(&self.is_done).filter(|(_, is_done)| !**is_done);
        later.into_iter().any(|(item, _)| self.code.operands(&item.statement).contains(&scalar))
    }

    /// Later branches read what earlier ones kept.
    fn rename(&mut self) {
        for position in (0..self.items.len()).filter(|position| !self.is_done[*position]) {
            let Statement::Let(scalar) = self.items[position].statement else { continue };
            if let ScalarKind::Apply { operands, .. } = &mut self.code.scalars[scalar.0].kind {
                for operand in operands.iter_mut() {
                    *operand = self.kept.get(operand).copied().unwrap_or(*operand);
                }
            }
        }
        self.kept.clear();
    }
}

impl FunctionCode {
    /// A variable for a scalar, declared at the end of what is written.
    fn declared(&mut self, scalar: ScalarId, output: &mut Vec<RunItem>) -> VariableId {
        let dtype = self.scalars[scalar.0].dtype;
        let zero = ScalarValue::new(dtype, 0.0);
        self.scalars.push(Scalar { kind: ScalarKind::Number(zero.bits), dtype });
        let start = ScalarId(self.scalars.len() - 1);
        self.variables.push(dtype);
        let variable = VariableId(self.variables.len() - 1);
        for statement in [Statement::Let(start), Statement::Declare { variable, start }] {
            output.push(RunItem { comment: None, statement });
        }
        variable
    }
}

/// The value of a variable after its branch. Such a read is like no other, whose moments count up from 0.
fn read_of(variable: VariableId) -> ScalarKind {
    ScalarKind::Read { variable, moment: usize::MAX - variable.0 }
}

/// Statements with what is said of them, where it changes.
fn with_comments(items: Vec<RunItem>) -> Vec<Statement> {
    let mut statements = Vec::with_capacity(items.len());
    let mut last = None;
    for RunItem { comment, statement } in items {
        if let Some(text) = &comment
            && last != comment
        {
            statements.push(Statement::Comment(text.clone()));
            last = comment;
        }
        statements.push(statement);
    }
    statements
}
