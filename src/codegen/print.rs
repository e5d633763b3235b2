//! Code → text. In: functions as data. Out: Rust, with a scalar that is used once written where it is used, as long as the line stays
//! short.

mod expression;
mod uses;

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
};

use self::{expression::variable_name, uses::Uses};
use super::{
    functions::Binding,
    index::{AffineIndex, LoopVariable},
    ir::{Array, ArrayId, ArrayPlace, FunctionCode, HelperArgument, ScalarId, ScalarKind, Statement, View},
};
use crate::{
    graph::{DType, Unary},
    plan::{Function, ScalarValue},
};

/// The longest expression that goes into another one.
const MAX_EXPRESSION: usize = 60;
const INDENT: &str = "    ";

/// What a text calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Functions of `Math` and of the helpers, with the float type.
    pub(super) math: BTreeSet<(&'static str, DType)>,
    pub(super) helpers: BTreeSet<(&'static str, DType)>,
    /// Helpers for whole arrays.
    pub(super) support: BTreeSet<(&'static str, DType)>,
    /// Whether positions are checked, and loops are bounded, so that the function may fail.
    pub(super) has_positions: bool,
    pub(super) has_bounds: bool,
}

impl Calls {
    pub(super) fn is_fallible(&self) -> bool {
        self.has_positions || self.has_bounds
    }
}

/// Writes the body of one function.
pub(super) struct Printer<'c> {
    code: &'c FunctionCode,
    /// Whether sums of products are rounded once.
    fused: bool,
    /// Names of arrays, as they are read and written: a reference.
    arrays: &'c dyn Fn(ArrayId) -> String,
    pub(super) calls: Calls,
    text: String,
    depth: usize,
    loops: HashMap<LoopVariable, String>,
    uses: Uses,
    /// Scalars that are written where they are used.
    pending: HashMap<ScalarId, (String, Binding)>,
    names: HashMap<ScalarId, String>,
    n_counts: usize,
    n_names: usize,
    /// What is to be said of the next line, and what was said last.
    comment: Option<String>,
    last_comment: String,
}

/// Whether a scalar may be computed later than it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stability {
    /// Anywhere.
    Number,
    /// Anywhere in its block.
    Constant,
    /// As long as nothing is written.
    Changing,
}

/// The name of a type in Rust.
pub(super) fn type_name(dtype: DType) -> &'static str {
    dtype.name()
}

/// What the functions of C are called for a float type.
pub(super) fn suffix(dtype: DType) -> &'static str {
    if dtype == DType::F32 { "f" } else { "" }
}

/// A number as Rust reads it, to the same bits but for NaN.
pub(super) fn literal(number: ScalarValue) -> String {
    fn float(number: f64, text: String, name: &str) -> String {
        if number.is_nan() {
            format!("{name}::NAN")
        } else if number.is_infinite() {
            format!("{name}::{}INFINITY", if number < 0.0 { "NEG_" } else { "" })
        } else {
            text
        }
    }
    match number.dtype {
        DType::F64 => {
            let number = f64::from_ne_bytes(number.bits);
            float(number, format!("{number:?}"), "f64")
        }
        DType::F32 => {
            let number = f32::from_ne_bytes(number.first());
            float(f64::from(number), format!("{number:?}"), "f32")
        }
        DType::I64 => match i64::from_ne_bytes(number.bits) {
            i64::MIN => "i64::MIN".to_owned(),
            number => number.to_string(),
        },
        DType::Bool => (number.bits[0] != 0).to_string(),
    }
}

impl<'c> Printer<'c> {
    pub(super) fn new(code: &'c FunctionCode, fused: bool, arrays: &'c dyn Fn(ArrayId) -> String) -> Printer<'c> {
        Printer {
            code,
            fused,
            arrays,
            calls: Calls::default(),
            text: String::new(),
            depth: 1,
            loops: HashMap::new(),
            uses: Uses::new(code),
            pending: HashMap::new(),
            names: HashMap::new(),
            n_counts: 0,
            n_names: 0,
            comment: None,
            last_comment: String::new(),
        }
    }

    pub(super) fn print(mut self) -> (String, Calls) {
        let code = self.code;
        self.block(&code.statements);
        (self.text, self.calls)
    }

    /// Writes a line, behind the comment that was made last, unless that is the one above.
    fn line(&mut self, line: &str) {
        if let Some(comment) = self.comment.take()
            && self.last_comment != comment
        {
            let indent = INDENT.repeat(self.depth);
            let _ = writeln!(self.text, "{indent}// {comment}");
            self.last_comment = comment;
        }
        for _ in 0..self.depth {
            self.text += INDENT;
        }
        self.text += line;
        self.text.push('\n');
    }

    fn block(&mut self, statements: &[Statement]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn indented(&mut self, statements: &[Statement]) {
        self.depth += 1;
        self.block(statements);
        self.depth -= 1;
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Let(scalar) => self.compute(*scalar),
            Statement::Comment(text) => self.comment = Some(text.clone()),
            Statement::Declare { variable, start } => {
                let start = self.use_of(*start).0;
                let name = type_name(self.code.variables[variable.0]);
                self.line(&format!("let mut {}: {name} = {start};", variable_name(*variable)));
            }
            Statement::Assign { variable, value } => {
                let value = self.use_of(*value).0;
                self.line(&format!("{} = {value};", variable_name(*variable)));
            }
            Statement::Local(array) => self.local(*array),
            Statement::Store { array, index, value } => self.store_value(*array, index, *value),
            Statement::Copy { from, to, len } => self.copy(from, to, *len),
            Statement::Fill { to, len, value } => {
                let value = self.use_of(*value).0;
                let start = self.index(&to.base);
                let to = (self.arrays)(to.array);
                self.calls.support.insert(("fill", DType::F64));
                self.line(&format!("fill({to}, {start}, {len}, {value});"));
            }
            Statement::For { variable, range: (start, end), is_backward, body } => {
                let name = self.new_loop(*variable);
                let range = if *is_backward { format!("({start}..{end}).rev()") } else { format!("{start}..{end}") };
                self.line(&format!("for {name} in {range} {{"));
                self.indented(body);
                self.line("}");
            }
            Statement::Derive { variable, index, divisor, size } => self.derive(*variable, index, *divisor, *size),
            Statement::While { bound, condition, holds, body, line } => {
                self.while_loop(*bound, (condition, *holds), body, line)
            }
            Statement::If { condition, then, otherwise } => {
                let condition = self.use_of(*condition).0;
                self.line(&format!("if {condition} {{"));
                self.indented(then);
                if !otherwise.is_empty() {
                    self.line("} else {");
                    self.indented(otherwise);
                }
                self.line("}");
            }
            Statement::Call { helper, dtype, arguments, fault } => {
                self.call((helper, *dtype), arguments, fault.as_deref())
            }
        }
    }

    fn local(&mut self, array: ArrayId) {
        let Array { dtype, len, .. } = self.code.arrays[array.0];
        let name = (self.arrays)(array);
        let zero = literal(ScalarValue::new(dtype, 0.0));
        let name = name.trim_start_matches("&mut ");
        self.line(&format!("let mut {name}: [{}; {len}] = [{zero}; {len}];", type_name(dtype)));
    }

    fn store_value(&mut self, array: ArrayId, index: &AffineIndex, value: ScalarId) {
        let mut value = self.use_of(value).0;
        // An array is not read while it is lent to be written.
        let name = (self.arrays)(array);
        if index.as_constant().is_none() && value.contains(&format!("{}, ", name.trim_start_matches("&mut "))) {
            let place = format!("t{}", self.next_name());
            self.line(&format!("let {place} = {value};"));
            value = place;
        }
        let line = self.store(array, index, &value);
        self.line(&line);
    }

    fn copy(&mut self, from: &View, to: &View, len: usize) {
        let (read, written) = (&self.code.arrays[from.array.0], &self.code.arrays[to.array.0]);
        if len == 1 {
            let value = self.element(from.array, &from.base).0;
            let line = self.store(to.array, &to.base, &value);
            return self.line(&line);
        }
        let is_whole = |array: &Array, index: &AffineIndex| array.len == len && index.as_constant() == Some(0);
        if is_whole(read, &from.base) && is_whole(written, &to.base) {
            let name = |id: ArrayId, array: &Array| {
                let name = (self.arrays)(id);
                let name = name.trim_start_matches("&mut ").trim_start_matches('&');
                if self.is_reference(array.place) { format!("*{name}") } else { name.to_owned() }
            };
            let line = format!("{} = {};", name(to.array, written), name(from.array, read));
            return self.line(&line);
        }
        let (start, source) = (self.index(&to.base), self.index(&from.base));
        let (from, to) = (self.reference(from.array), (self.arrays)(to.array));
        self.calls.support.insert(("copy", DType::F64));
        self.line(&format!("copy({from}, {source}, {to}, {start}, {len});"));
    }

    fn derive(&mut self, variable: LoopVariable, index: &AffineIndex, divisor: usize, size: usize) {
        let mut position = self.index(index);
        let name = self.new_loop(variable);
        if index.terms.len() + usize::from(index.constant != 0) > 1 {
            position = format!("({position})");
        }
        let quotient = if divisor == 1 { position } else { format!("{position} / {divisor}") };
        self.line(&format!("let {name} = {quotient} % {size};"));
    }

    fn while_loop(
        &mut self,
        bound: usize,
        (condition, holds): (&[Statement], ScalarId),
        body: &[Statement],
        line: &str,
    ) {
        self.calls.has_bounds = true;
        self.n_counts += 1;
        let count = format!("n{}", self.n_counts);
        self.line(&format!("let mut {count} = 0u64;"));
        self.line("loop {");
        self.depth += 1;
        self.block(condition);
        let (holds, binding) = self.use_of(holds);
        let holds = if binding < Binding::Prefix { format!("({holds})") } else { holds };
        self.line(&format!("if !{holds} {{"));
        self.line("    break;");
        self.line("}");
        self.line(&format!("if {count} == {bound} {{"));
        self.line(&format!("    return Err(Fault::TooManyIterations {{ bound: {bound}, line: {line:?} }});"));
        self.line("}");
        self.line(&format!("{count} += 1;"));
        self.block(body);
        self.depth -= 1;
        self.line("}");
    }

    fn call(&mut self, (helper, dtype): (&'static str, DType), arguments: &[HelperArgument], fault: Option<&str>) {
        self.calls.support.insert((helper, dtype));
        let helper = format!("{helper}{}", if super::support::is_generic(helper) { "" } else { suffix(dtype) });
        let generic = if super::support::needs_math(&helper) { "::<M>" } else { "" };
        let mut parts = Vec::with_capacity(arguments.len());
        for argument in arguments {
            parts.push(match argument {
                HelperArgument::Read(view) => format!("{}, {}", self.slice(view.array), self.index(&view.base)),
                HelperArgument::Write(view) => format!("{}, {}", self.slice_mut(view.array), self.index(&view.base)),
                HelperArgument::Number(number) => number.to_string(),
                HelperArgument::Numbers(numbers) => format!("&{numbers:?}"),
            });
        }
        let arguments = parts.join(", ");
        // What a helper says of positions that were checked before is true.
        let discard = if matches!(helper.as_str(), "gather" | "scatter_add") { "let _ = " } else { "" };
        match fault {
            None => self.line(&format!("{discard}{helper}{generic}({arguments});")),
            Some(line) => {
                self.calls.has_positions = true;
                self.line(&format!("if !{helper}{generic}({arguments}) {{"));
                self.line(&format!("    return Err(Fault::IndexOutOfRange {{ line: {line:?} }});"));
                self.line("}");
            }
        }
    }

    /// A shared slice of the array; of a number an array of one.
    fn slice(&self, array: ArrayId) -> String {
        let name = (self.arrays)(array);
        let Array { is_scalar, place, .. } = &self.code.arrays[array.0];
        match (is_scalar, place) {
            (true, ArrayPlace::Output) => format!("core::slice::from_ref({name})"),
            (true, _) => format!("&[{name}]"),
            (false, _) => self.reference(array),
        }
    }

    fn slice_mut(&self, array: ArrayId) -> String {
        let name = (self.arrays)(array);
        if self.code.arrays[array.0].is_scalar { format!("core::slice::from_mut({name})") } else { name }
    }

    /// Computes a scalar here, unless it is written where it is used: once, in the same block, and before anything can have changed
    /// what it reads.
    fn compute(&mut self, scalar: ScalarId) {
        if self.names.contains_key(&scalar) || self.compute_pair(scalar) {
            return;
        }
        let (text, binding) = self.expression(scalar);
        let (made, used) = (self.uses.made[scalar.0], self.uses.used[scalar.0]);
        let is_in_place = match self.stability(scalar) {
            Stability::Number => true,
            Stability::Constant => made.0 == used.0,
            Stability::Changing => made == used,
        };
        let is_number = self.stability(scalar) == Stability::Number;
        let is_short = text.len() <= MAX_EXPRESSION && binding > Binding::Open;
        if is_in_place && (is_number || (self.uses.n_uses[scalar.0] == 1 && is_short)) {
            self.pending.insert(scalar, (text, binding));
            return;
        }
        let name = format!("t{}", self.next_name());
        self.line(&format!("let {name} = {text};"));
        self.names.insert(scalar, name);
    }

    /// Computes a hyperbolic tangent and its slope together, if both are wanted in this block: they share an exponential.
    fn compute_pair(&mut self, scalar: ScalarId) -> bool {
        let ScalarKind::Apply { function: Function::Unary(Unary::Tanh), operands } = &self.code.scalars[scalar.0].kind
        else {
            return false;
        };
        let Some(slope) = self.uses.slopes.get(&(operands[0], self.uses.made[scalar.0].0)).copied() else {
            return false;
        };
        let dtype = self.code.scalars[scalar.0].dtype;
        let operand = self.use_of(operands[0]).0;
        self.calls.helpers.insert(("tanh_and_slope", dtype));
        let names = [(); 2].map(|()| format!("t{}", self.next_name()));
        self.line(&format!("let ({}, {}) = tanh_and_slope{}::<M>({operand});", names[0], names[1], suffix(dtype)));
        for (scalar, name) in [scalar, slope].into_iter().zip(names) {
            self.names.insert(scalar, name);
        }
        true
    }

    /// The number of the next name of a scalar.
    fn next_name(&mut self) -> usize {
        self.n_names += 1;
        self.n_names - 1
    }

    fn stability(&self, scalar: ScalarId) -> Stability {
        match &self.code.scalars[scalar.0].kind {
            ScalarKind::Number(_) => Stability::Number,
            ScalarKind::Load { array, .. } if self.is_argument(*array) => Stability::Number,
            ScalarKind::Position(_) | ScalarKind::Within { .. } => Stability::Constant,
            ScalarKind::Read { .. } => Stability::Changing,
            // Those that cannot change too: a loop of which all loads come before all stores is one that a compiler makes vectors of.
            ScalarKind::Load { .. } => Stability::Changing,
            ScalarKind::Apply { operands, .. } => {
                let changes = |operand: &ScalarId| {
                    self.pending.contains_key(operand) && self.stability(*operand) == Stability::Changing
                };
                if operands.iter().any(changes) { Stability::Changing } else { Stability::Constant }
            }
        }
    }

    /// Whether the function writes an array in memory of the caller's.
    fn is_written(&self, array: ArrayId) -> bool {
        let Array { place, is_scalar, .. } = self.code.arrays[array.0];
        !is_scalar && matches!(place, ArrayPlace::Workspace(_) | ArrayPlace::Output)
    }

    /// Whether an array is a number that is an argument.
    fn is_argument(&self, array: ArrayId) -> bool {
        let Array { place, is_scalar, .. } = self.code.arrays[array.0];
        is_scalar && place == ArrayPlace::Input
    }

    /// A scalar where it is used: its name, or what it is.
    fn use_of(&self, scalar: ScalarId) -> (String, Binding) {
        if let Some(name) = self.names.get(&scalar) {
            return (name.clone(), Binding::Atom);
        }
        self.pending.get(&scalar).cloned().expect("invariant: scalars are computed before they are used")
    }

    fn operand(&self, scalar: ScalarId, least: Binding) -> String {
        let (text, binding) = self.use_of(scalar);
        if binding < least { format!("({text})") } else { text }
    }
}
