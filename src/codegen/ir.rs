//! What a generated function does, as data: scalars in static single assignment, and statements that compute, keep and repeat them.
//! In: calls of [`CodeBuilder`]. Out: [`FunctionCode`], of which nothing is left that nobody reads. It knows no plan and no Rust.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::index::{AffineIndex, LoopVariable};
use crate::{
    graph::{Binary, DType, Unary},
    plan::{Function, ScalarValue},
};

/// A scalar of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ScalarId(pub(super) usize);

/// An array of a function. Two that lie in the same memory, one after the other, are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ArrayId(pub(super) usize);

/// A scalar that is set anew: what goes round in a loop, what a branch gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct VariableId(pub(super) usize);

/// How a scalar comes about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ScalarKind {
    /// A number, by its bits.
    Number([u8; 8]),
    /// An element of an array. Loads of one version are the same value; stores begin a new one.
    Load { array: ArrayId, index: AffineIndex, version: usize },
    /// A variable as it is there, told apart by a number.
    Read { variable: VariableId, moment: usize },
    /// A position, as a number.
    Position(AffineIndex),
    /// Whether an index is at least the first bound and below the second.
    Within { index: AffineIndex, low: isize, high: isize },
    /// A function of scalars.
    Apply { function: Function, operands: SmallVec<[ScalarId; 3]> },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scalar {
    pub(super) kind: ScalarKind,
    pub(super) dtype: DType,
}

/// Where an array lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrayPlace {
    /// An argument that is read.
    Input,
    /// An argument that is written.
    Output,
    /// A constant of the module.
    Constant,
    /// A field of the workspace.
    Workspace(usize),
    /// An array on the stack.
    Local,
}

#[derive(Debug, Clone)]
pub(super) struct Array {
    pub(super) dtype: DType,
    pub(super) len: usize,
    pub(super) place: ArrayPlace,
    /// Whether it is one number of its own, not an array of one.
    pub(super) is_scalar: bool,
}

/// A part of an array, from an element on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    pub(super) array: ArrayId,
    pub(super) base: AffineIndex,
}

impl View {
    pub(super) fn whole(array: ArrayId) -> View {
        View { array, base: AffineIndex::constant(0) }
    }

    pub(super) fn at(&self, index: &AffineIndex) -> AffineIndex {
        self.base.plus(index, 1)
    }
}

/// One argument of a helper.
#[derive(Debug, Clone)]
pub(super) enum HelperArgument {
    /// Elements that are read.
    Read(View),
    /// Elements that are written.
    Write(View),
    /// A number known beforehand.
    Number(usize),
    /// Numbers known beforehand, as one array.
    Numbers(Vec<isize>),
}

/// What is done, in order.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    /// A line for the reader.
    Comment(String),
    /// Computes a scalar.
    Let(ScalarId),
    /// Makes a variable.
    Declare { variable: VariableId, start: ScalarId },
    /// Sets it.
    Assign { variable: VariableId, value: ScalarId },
    /// Makes an array on the stack, of zeros.
    Local(ArrayId),
    /// Writes an element.
    Store { array: ArrayId, index: AffineIndex, value: ScalarId },
    /// Copies elements.
    Copy { from: View, to: View, len: usize },
    /// Sets elements to a number.
    Fill { to: View, len: usize, value: ScalarId },
    /// Repeats for each position of a range.
    For { variable: LoopVariable, range: (usize, usize), is_backward: bool, body: Vec<Statement> },
    /// Makes a variable of positions: `index / divisor % size`.
    Derive { variable: LoopVariable, index: AffineIndex, divisor: usize, size: usize },
    /// Repeats as long as a condition holds, which is computed first; more iterations than the bound are a fault.
    While { bound: usize, condition: Vec<Statement>, holds: ScalarId, body: Vec<Statement>, line: String },
    /// One of two.
    If { condition: ScalarId, then: Vec<Statement>, otherwise: Vec<Statement> },
    /// Calls a helper; one that may fail is told where.
    Call { helper: &'static str, dtype: DType, arguments: Vec<HelperArgument>, fault: Option<String> },
}

/// A function, ready to be written.
#[derive(Debug)]
pub(super) struct FunctionCode {
    pub(super) scalars: Vec<Scalar>,
    pub(super) arrays: Vec<Array>,
    pub(super) variables: Vec<DType>,
    pub(super) statements: Vec<Statement>,
    /// The fields of the workspace.
    pub(super) fields: Vec<(DType, usize)>,
}

/// Makes code, statement by statement.
#[derive(Debug, Default)]
pub(super) struct CodeBuilder {
    scalars: Vec<Scalar>,
    pub(super) arrays: Vec<Array>,
    variables: Vec<DType>,
    n_loop_variables: usize,
    n_moments: usize,
    /// The scalars that are at hand, for each block that is open.
    known: Vec<HashMap<Scalar, ScalarId>>,
    blocks: Vec<Vec<Statement>>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    dtype: DType,
    len: usize,
    is_free: bool,
}

/// The version of an element that a loop has written and that is read by itself behind it.
pub(super) const BEHIND_LOOP: usize = usize::MAX;

/// The longest array that lies on the stack instead of in the workspace: a compiler can keep it in registers.
pub(super) const MAX_LOCAL: usize = 64;

impl CodeBuilder {
    pub(super) fn new() -> CodeBuilder {
        CodeBuilder { known: vec![HashMap::new()], blocks: vec![Vec::new()], ..CodeBuilder::default() }
    }

    pub(super) fn finish(mut self) -> FunctionCode {
        let statements = self.blocks.pop().expect("invariant: the outermost block is open");
        assert!(self.blocks.is_empty(), "invariant: every block was closed");
        let fields = self.fields.into_iter().map(|field| (field.dtype, field.len)).collect();
        let CodeBuilder { scalars, arrays, variables, .. } = self;
        let mut code = FunctionCode { scalars, arrays, variables, statements, fields };
        code.remove_unread();
        code.branch();
        code
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.blocks.last_mut().expect("invariant: the outermost block is open").push(statement);
    }

    /// Begins a block. Scalars that are computed in it are not at hand behind it.
    pub(super) fn open(&mut self) {
        self.known.push(HashMap::new());
        self.blocks.push(Vec::new());
    }

    /// The statements of the block that was begun last.
    pub(super) fn close(&mut self) -> Vec<Statement> {
        self.known.pop();
        self.blocks.pop().expect("invariant: a block is open")
    }

    pub(super) fn loop_variable(&mut self) -> LoopVariable {
        self.n_loop_variables += 1;
        LoopVariable(self.n_loop_variables - 1)
    }

    pub(super) fn variable(&mut self, start: ScalarId) -> VariableId {
        self.variables.push(self.dtype(start));
        let variable = VariableId(self.variables.len() - 1);
        self.push(Statement::Declare { variable, start });
        variable
    }

    pub(super) fn read(&mut self, variable: VariableId) -> ScalarId {
        let moment = self.moment();
        self.scalar(ScalarKind::Read { variable, moment }, self.variables[variable.0])
    }

    fn moment(&mut self) -> usize {
        self.n_moments += 1;
        self.n_moments
    }

    pub(super) fn dtype(&self, scalar: ScalarId) -> DType {
        self.scalars[scalar.0].dtype
    }

    pub(super) fn number(&mut self, number: ScalarValue) -> ScalarId {
        self.scalar(ScalarKind::Number(number.bits), number.dtype)
    }

    pub(super) fn as_number(&self, scalar: ScalarId) -> Option<ScalarValue> {
        match &self.scalars[scalar.0] {
            Scalar { kind: ScalarKind::Number(bits), dtype } => Some(ScalarValue { dtype: *dtype, bits: *bits }),
            _ => None,
        }
    }

    /// An element of an array that does not change any more while it is read.
    pub(super) fn load(&mut self, array: ArrayId, index: AffineIndex) -> ScalarId {
        self.scalar(ScalarKind::Load { array, index, version: 0 }, self.arrays[array.0].dtype)
    }

    /// An element of an array as it is now.
    pub(super) fn load_now(&mut self, array: ArrayId, index: AffineIndex) -> ScalarId {
        let version = self.moment();
        self.scalar(ScalarKind::Load { array, index, version }, self.arrays[array.0].dtype)
    }

    pub(super) fn store(&mut self, array: ArrayId, index: AffineIndex, value: ScalarId) {
        self.push(Statement::Store { array, index, value });
    }

    /// An element that a loop has written, beside other elements of which loops take care.
    pub(super) fn load_behind_loop(&mut self, array: ArrayId, index: AffineIndex) -> ScalarId {
        self.scalar(ScalarKind::Load { array, index, version: BEHIND_LOOP }, self.arrays[array.0].dtype)
    }

    /// The scalar of that kind: one that is at hand, or a new one.
    pub(super) fn scalar(&mut self, kind: ScalarKind, dtype: DType) -> ScalarId {
        let scalar = Scalar { kind, dtype };
        if let Some(known) = self.known.iter().find_map(|block| block.get(&scalar)) {
            return *known;
        }
        let id = ScalarId(self.scalars.len());
        self.scalars.push(scalar.clone());
        self.known.last_mut().expect("invariant: the outermost block is open").insert(scalar, id);
        self.push(Statement::Let(id));
        id
    }

    /// A function of scalars, or an equal scalar that costs less.
    pub(super) fn apply(&mut self, function: Function, operands: &[ScalarId], dtype: DType) -> ScalarId {
        if let Function::MultiplyAdd = function {
            // The product may be that of another sum.
            let product = self.binary(Binary::Mul, operands[0], operands[1]);
            return self.binary(Binary::Add, product, operands[2]);
        }
        if let Some(equal) = self.simplified(function, operands).or_else(|| self.sign_outwards(function, operands)) {
            return equal;
        }
        let mut operands: SmallVec<[ScalarId; 3]> = SmallVec::from_slice(operands);
        if let Function::Binary(Binary::Add | Binary::Mul) = function {
            operands.sort_unstable_by_key(|operand| (self.as_number(*operand).is_none(), *operand));
        }
        self.scalar(ScalarKind::Apply { function, operands }, dtype)
    }

    /// What is left where an operand is a number: identities of the classes exact and ulp in `docs/reference/rewrites.md`, which meet
    /// the zeros of paddings only now.
    fn simplified(&mut self, function: Function, operands: &[ScalarId]) -> Option<ScalarId> {
        let numbers: SmallVec<[Option<f64>; 3]> = operands.iter().map(|operand| self.float(*operand)).collect();
        match function {
            Function::Binary(Binary::Add) if numbers[1] == Some(0.0) => Some(operands[0]),
            Function::Binary(Binary::Add) if numbers[0] == Some(0.0) => Some(operands[1]),
            Function::Binary(Binary::Sub) if numbers[1] == Some(0.0) => Some(operands[0]),
            Function::Binary(Binary::Mul) if numbers[1] == Some(1.0) => Some(operands[0]),
            Function::Binary(Binary::Mul) if numbers[0] == Some(1.0) => Some(operands[1]),
            Function::Binary(Binary::Div) if numbers[1] == Some(1.0) => Some(operands[0]),
            Function::Unary(Unary::Negate) => match (numbers[0], &self.scalars[operands[0].0].kind) {
                (Some(number), _) => {
                    let number = ScalarValue::new(self.dtype(operands[0]), -number);
                    Some(self.number(number))
                }
                (None, ScalarKind::Apply { function: Function::Unary(Unary::Negate), operands }) => Some(operands[0]),
                (None, _) => None,
            },
            _ => None,
        }
    }

    /// Signs move out of products and quotients and into sums, which costs nothing and rounds nothing else, so that what is equal up to its
    /// sign is computed once.
    fn sign_outwards(&mut self, function: Function, operands: &[ScalarId]) -> Option<ScalarId> {
        let Function::Binary(function) = function else { return None };
        if !self.dtype(operands[0]).is_float() {
            return None;
        }
        let (left, right) = (operands[0], operands[1]);
        let [positive_left, positive_right] = [left, right].map(|operand| self.without_sign(operand));
        match (function, positive_left, positive_right) {
            (Binary::Add, _, Some(y)) if self.as_number(right).is_none() => Some(self.binary(Binary::Sub, left, y)),
            (Binary::Add, Some(x), _) if self.as_number(left).is_none() => Some(self.binary(Binary::Sub, right, x)),
            (Binary::Sub, _, Some(y)) if self.as_number(right).is_none() => Some(self.binary(Binary::Add, left, y)),
            (Binary::Mul | Binary::Div, Some(x), Some(y)) => Some(self.binary(function, x, y)),
            (Binary::Mul | Binary::Div, Some(x), None) => {
                let unsigned = self.binary(function, x, right);
                Some(self.unary(Unary::Negate, unsigned))
            }
            (Binary::Mul | Binary::Div, None, Some(y)) => {
                let unsigned = self.binary(function, left, y);
                Some(self.unary(Unary::Negate, unsigned))
            }
            _ => None,
        }
    }

    /// What a scalar is the negative of: the operand of a negation, or a negative number without its sign.
    fn without_sign(&mut self, scalar: ScalarId) -> Option<ScalarId> {
        if let ScalarKind::Apply { function: Function::Unary(Unary::Negate), operands } = &self.scalars[scalar.0].kind {
            return Some(operands[0]);
        }
        let number = self.float(scalar).filter(|number| number.is_sign_negative() && !number.is_nan())?;
        Some(self.number(ScalarValue::new(self.dtype(scalar), -number)))
    }

    /// The float that a scalar is known to be.
    fn float(&self, scalar: ScalarId) -> Option<f64> {
        let number = self.as_number(scalar)?;
        match number.dtype {
            DType::F64 => Some(f64::from_ne_bytes(number.bits)),
            DType::F32 => Some(f64::from(f32::from_ne_bytes(number.first()))),
            DType::I64 | DType::Bool => None,
        }
    }

    pub(super) fn unary(&mut self, function: Unary, x: ScalarId) -> ScalarId {
        let dtype = self.dtype(x);
        self.apply(Function::Unary(function), &[x], dtype)
    }

    pub(super) fn binary(&mut self, function: Binary, a: ScalarId, b: ScalarId) -> ScalarId {
        let dtype = self.dtype(a);
        self.apply(Function::Binary(function), &[a, b], dtype)
    }

    /// An array for values between steps: on the stack if it is short, else in the first field of the workspace that is free.
    pub(super) fn temporary(&mut self, dtype: DType, len: usize) -> ArrayId {
        let place = if len <= MAX_LOCAL { ArrayPlace::Local } else { ArrayPlace::Workspace(self.field(dtype, len)) };
        let id = ArrayId(self.arrays.len());
        self.arrays.push(Array { dtype, len, place, is_scalar: false });
        if place == ArrayPlace::Local {
            self.push(Statement::Local(id));
        }
        id
    }

    /// The smallest free field that is long enough; the longest grows if none is.
    fn field(&mut self, dtype: DType, len: usize) -> usize {
        let free = self.fields.iter().enumerate().filter(|(_, field)| field.is_free && field.dtype == dtype);
        let fits = free.clone().filter(|(_, field)| field.len >= len).min_by_key(|(_, field)| field.len);
        let found = fits.or_else(|| free.max_by_key(|(_, field)| field.len)).map(|(position, _)| position);
        let position = found.unwrap_or_else(|| {
            self.fields.push(Field { dtype, len, is_free: false });
            self.fields.len() - 1
        });
        let field = &mut self.fields[position];
        field.len = field.len.max(len);
        field.is_free = false;
        position
    }

    /// Gives the memory of an array to those that come later.
    pub(super) fn free(&mut self, array: ArrayId) {
        if let ArrayPlace::Workspace(field) = self.arrays[array.0].place {
            self.fields[field].is_free = true;
        }
    }
}

/// The blocks in a statement, as it is borrowed.
macro_rules! blocks_of {
    ($statement:expr) => {
        match $statement {
            Statement::For { body, .. } => SmallVec::from_iter([body]),
            Statement::While { condition, body, .. } => SmallVec::from_iter([condition, body]),
            Statement::If { then, otherwise, .. } => SmallVec::from_iter([then, otherwise]),
            Statement::Comment(_)
            | Statement::Let(_)
            | Statement::Declare { .. }
            | Statement::Assign { .. }
            | Statement::Local(_)
            | Statement::Store { .. }
            | Statement::Copy { .. }
            | Statement::Fill { .. }
            | Statement::Derive { .. }
            | Statement::Call { .. } => SmallVec::new(),
        }
    };
}

impl Statement {
    pub(super) fn blocks_mut(&mut self) -> SmallVec<[&mut Vec<Statement>; 2]> {
        blocks_of!(self)
    }

    pub(super) fn blocks(&self) -> SmallVec<[&Vec<Statement>; 2]> {
        blocks_of!(self)
    }

    /// Whether it writes what is read, or may end the function.
    fn is_needed(&self, reads: &ReadFlags) -> bool {
        let does_something =
            |statement: &Statement| !matches!(statement, Statement::Derive { .. } | Statement::Comment(_));
        match self {
            Statement::Let(scalar) => reads.scalars[scalar.0],
            Statement::Declare { variable, .. } | Statement::Assign { variable, .. } => reads.variables[variable.0],
            Statement::Local(array) | Statement::Store { array, .. } => reads.arrays[array.0],
            Statement::Copy { to, .. } | Statement::Fill { to, .. } => reads.arrays[to.array.0],
            Statement::Call { arguments, fault, .. } => {
                let is_read = |argument: &HelperArgument| matches!(argument, HelperArgument::Write(view) if reads.arrays[view.array.0]);
                fault.is_some() || arguments.iter().any(is_read)
            }
            Statement::For { body, .. } => body.iter().any(does_something),
            Statement::If { then, otherwise, .. } => then.iter().chain(otherwise).any(does_something),
            // A loop may go on for too long, which is told.
            Statement::While { .. } | Statement::Derive { .. } | Statement::Comment(_) => true,
        }
    }

    /// The scalar that it uses, if it is no `let`.
    pub(super) fn uses(&self) -> Option<ScalarId> {
        match self {
            Statement::Declare { start: value, .. }
            | Statement::Assign { value, .. }
            | Statement::Store { value, .. }
            | Statement::Fill { value, .. }
            | Statement::While { holds: value, .. }
            | Statement::If { condition: value, .. } => Some(*value),
            Statement::Comment(_)
            | Statement::Let(_)
            | Statement::Local(_)
            | Statement::Copy { .. }
            | Statement::For { .. }
            | Statement::Derive { .. }
            | Statement::Call { .. } => None,
        }
    }
}

/// What is read, found from the end.
#[derive(Debug, Default)]
struct ReadFlags {
    scalars: Vec<bool>,
    variables: Vec<bool>,
    arrays: Vec<bool>,
}

impl FunctionCode {
    /// Removes scalars, variables and arrays that nothing reads, and what was computed for them alone.
    fn remove_unread(&mut self) {
        // What goes round in a loop is read before it is set, so that one sweep may miss some.
        loop {
            let mut reads = ReadFlags {
                scalars: vec![false; self.scalars.len()],
                variables: vec![false; self.variables.len()],
                arrays: self.arrays.iter().map(|array| array.place == ArrayPlace::Output).collect(),
            };
            let mut n_found = usize::MAX;
            loop {
                self.mark(&self.statements, &mut reads);
                let n = [&reads.scalars, &reads.variables, &reads.arrays]
                    .map(|flags| flags.iter().filter(|flag| **flag).count());
                let n = n.iter().sum();
                if n == n_found {
                    break;
                }
                n_found = n;
            }
            let mut statements = std::mem::take(&mut self.statements);
            let n_removed = sweep(&mut statements, &reads);
            self.statements = statements;
            if n_removed == 0 {
                return;
            }
        }
    }

    /// Which arrays are read.
    pub(super) fn read_arrays(&self) -> Vec<bool> {
        let mut reads = ReadFlags {
            scalars: vec![true; self.scalars.len()],
            variables: vec![true; self.variables.len()],
            arrays: vec![false; self.arrays.len()],
        };
        self.mark(&self.statements, &mut reads);
        reads.arrays
    }

    fn mark(&self, statements: &[Statement], reads: &mut ReadFlags) {
        for statement in statements.iter().rev() {
            if !statement.is_needed(reads) {
                continue;
            }
            for block in statement.blocks().into_iter().rev() {
                self.mark(block, reads);
            }
            match statement {
                Statement::Let(scalar) => self.mark_operands(*scalar, reads),
                Statement::Copy { from, .. } => reads.arrays[from.array.0] = true,
                Statement::Call { arguments, .. } => {
                    // What a helper writes for itself is there too.
                    for argument in arguments {
                        if let HelperArgument::Read(view) | HelperArgument::Write(view) = argument {
                            reads.arrays[view.array.0] = true;
                        }
                    }
                }
                other => other.uses().into_iter().for_each(|scalar| reads.scalars[scalar.0] = true),
            }
        }
    }

    fn mark_operands(&self, scalar: ScalarId, reads: &mut ReadFlags) {
        match &self.scalars[scalar.0].kind {
            ScalarKind::Number(_) | ScalarKind::Position(_) | ScalarKind::Within { .. } => {}
            ScalarKind::Load { array, .. } => reads.arrays[array.0] = true,
            ScalarKind::Read { variable, .. } => reads.variables[variable.0] = true,
            ScalarKind::Apply { operands, .. } => operands.iter().for_each(|operand| reads.scalars[operand.0] = true),
        }
    }
}

/// Removes what writes what nothing reads, and loops and branches that do nothing; says how many statements went.
fn sweep(statements: &mut Vec<Statement>, reads: &ReadFlags) -> usize {
    let mut n_removed = 0;
    for statement in statements.iter_mut() {
        for block in statement.blocks_mut() {
            n_removed += sweep(block, reads);
        }
    }
    let before = statements.len();
    statements.retain(|statement| statement.is_needed(reads));
    n_removed + before - statements.len()
}
