//! Scalars and indices as Rust. In: a scalar of a function, with those that wait to be written where they are used. Out: an expression,
//! and how tightly it holds together.

use std::fmt::Write as _;

use super::super::{
    functions::{Binding, FunctionForm},
    index::{AffineIndex, LoopVariable},
    ir::{Array, ArrayId, ArrayPlace, BEHIND_LOOP, ScalarId, ScalarKind, VariableId},
    module::is_generic,
};
use super::{Printer, literal, suffix, type_name};
use crate::{
    graph::{Binary, DType},
    plan::{Function, ScalarValue},
};

impl Printer<'_> {
    pub(super) fn expression(&mut self, scalar: ScalarId) -> (String, Binding) {
        let code = self.code;
        let dtype = code.scalars[scalar.0].dtype;
        match &code.scalars[scalar.0].kind {
            ScalarKind::Number(bits) => {
                let text = literal(ScalarValue { dtype, bits: *bits });
                let binding = if text.starts_with('-') { Binding::Prefix } else { Binding::Atom };
                (text, binding)
            }
            ScalarKind::Load { array, index, version: BEHIND_LOOP } if self.is_written(*array) => {
                self.calls.support.insert(("behind_loop", DType::F64));
                let index = self.index(index);
                (format!("behind_loop({}, {index})", self.reference(*array)), Binding::Atom)
            }
            ScalarKind::Load { array, index, .. } => self.element(*array, index),
            ScalarKind::Read { variable, .. } => (variable_name(*variable), Binding::Atom),
            ScalarKind::Position(index) => {
                let text = self.index(index);
                let text =
                    if index.terms.len() + usize::from(index.constant != 0) > 1 { format!("({text})") } else { text };
                (format!("{text} as {}", type_name(dtype)), Binding::Cast)
            }
            ScalarKind::Within { index, low, high } => {
                let text = self.index(index);
                (format!("({low}..{high}).contains(&({text}))"), Binding::Atom)
            }
            ScalarKind::Apply { function, operands } => self.apply(*function, operands),
        }
    }

    fn apply(&mut self, function: Function, operands: &[ScalarId]) -> (String, Binding) {
        let dtype = self.code.scalars[operands[operands.len().min(2) - 1].0].dtype;
        if self.fused
            && let Some(fused) = self.fused(function, operands, dtype)
        {
            return fused;
        }
        match function.form(dtype) {
            FunctionForm::Operator(operator, binding) => {
                let tighter = if binding == Binding::Sum { Binding::Product } else { Binding::Prefix };
                let (left, right) = match binding {
                    Binding::Comparison => (Binding::Sum, Binding::Sum),
                    _ => (binding, tighter),
                };
                // `x as i64 < y` would begin a list of types.
                let is_cast = binding == Binding::Comparison && self.use_of(operands[0]).1 == Binding::Cast;
                let left = if is_cast { Binding::Atom } else { left };
                let [left, right] =
                    [(operands[0], left), (operands[1], right)].map(|(id, least)| self.operand(id, least));
                (format!("{left} {operator} {right}"), binding)
            }
            FunctionForm::Prefix(operator) => {
                (format!("{operator}{}", self.operand(operands[0], Binding::Atom)), Binding::Prefix)
            }
            FunctionForm::Method(name) => {
                let rest: Vec<String> = operands[1..].iter().map(|operand| self.use_of(*operand).0).collect();
                let mut first = self.operand(operands[0], Binding::Atom);
                if self.code.scalars[operands[0].0].kind.is_number() {
                    first = format!("({first} as {})", type_name(dtype));
                }
                (format!("{first}.{name}({})", rest.join(", ")), Binding::Atom)
            }
            FunctionForm::Math(name) => {
                self.calls.math.insert((name, dtype));
                let operands: Vec<String> = operands.iter().map(|operand| self.use_of(*operand).0).collect();
                (format!("M::{name}{}({})", suffix(dtype), operands.join(", ")), Binding::Atom)
            }
            FunctionForm::Helper(name) => {
                self.calls.helpers.insert((name, dtype));
                let operands: Vec<String> = operands.iter().map(|operand| self.use_of(*operand).0).collect();
                let generic = if is_generic(name) { "::<M>" } else { "" };
                (format!("{name}{}{generic}({})", suffix(dtype), operands.join(", ")), Binding::Atom)
            }
            FunctionForm::Power(exponent) => self.power(operands[0], exponent),
            FunctionForm::Select => {
                let [condition, yes, no] = [0, 1, 2].map(|position| self.use_of(operands[position]).0);
                (format!("if {condition} {{ {yes} }} else {{ {no} }}"), Binding::Open)
            }
            FunctionForm::Cast(to) => self.cast(operands[0], to),
            FunctionForm::MultiplyAdd => {
                let [a, b] = [(operands[0], Binding::Product), (operands[1], Binding::Prefix)]
                    .map(|(id, least)| self.operand(id, least));
                (format!("{a} * {b} + {}", self.operand(operands[2], Binding::Product)), Binding::Sum)
            }
            FunctionForm::None => unreachable!("invariant: what cannot be written was refused before"),
        }
    }

    /// A sum or difference of which one side is a product that is used nowhere else, rounded once.
    fn fused(&mut self, function: Function, operands: &[ScalarId], dtype: DType) -> Option<(String, Binding)> {
        let factors = |scalar: ScalarId| match &self.code.scalars[scalar.0].kind {
            ScalarKind::Apply { function: Function::Binary(Binary::Mul), operands }
                if self.pending.contains_key(&scalar) =>
            {
                Some((operands[0], operands[1]))
            }
            _ => None,
        };
        let minus = |(text, binding): (String, Binding)| {
            let text = if binding < Binding::Prefix { format!("({text})") } else { text };
            text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned)
        };
        let text = |scalar: ScalarId| self.use_of(scalar);
        let [x, y, z] = match (function, dtype.is_float()) {
            (Function::Binary(Binary::Add), true) => {
                let (product, other) = match (factors(operands[0]), factors(operands[1])) {
                    (_, Some(product)) => (product, operands[0]),
                    (Some(product), None) => (product, operands[1]),
                    (None, None) => return None,
                };
                [text(product.0).0, text(product.1).0, text(other).0]
            }
            (Function::Binary(Binary::Sub), true) => match (factors(operands[0]), factors(operands[1])) {
                (_, Some(product)) => [minus(text(product.0)), text(product.1).0, text(operands[0]).0],
                (Some(product), None) => [text(product.0).0, text(product.1).0, minus(text(operands[1]))],
                (None, None) => return None,
            },
            (Function::MultiplyAdd, true) => [operands[0], operands[1], operands[2]].map(|scalar| text(scalar).0),
            _ => return None,
        };
        self.calls.math.insert(("fma", dtype));
        Some((format!("M::fma{}({x}, {y}, {z})", suffix(dtype)), Binding::Atom))
    }

    fn cast(&mut self, operand: ScalarId, to: DType) -> (String, Binding) {
        let from = self.code.scalars[operand.0].dtype;
        let name = type_name(to);
        match (from, to) {
            _ if from == to => self.use_of(operand),
            (DType::Bool, DType::I64) => (format!("{} as i64", self.operand(operand, Binding::Cast)), Binding::Cast),
            (DType::Bool, _) => (format!("{} as u8 as {name}", self.operand(operand, Binding::Cast)), Binding::Cast),
            (_, DType::Bool) => {
                let zero = literal(ScalarValue::new(from, 0.0));
                (format!("{} != {zero}", self.operand(operand, Binding::Sum)), Binding::Comparison)
            }
            _ => (format!("{} as {name}", self.operand(operand, Binding::Cast)), Binding::Cast),
        }
    }

    /// xⁿ by squares, as the compiler's own does it.
    fn power(&mut self, operand: ScalarId, exponent: i64) -> (String, Binding) {
        let dtype = self.code.scalars[operand.0].dtype;
        let x = self.operand(operand, Binding::Prefix);
        match exponent {
            1 => self.use_of(operand),
            2 => (format!("{x} * {x}"), Binding::Product),
            _ => {
                self.calls.support.insert(("power", dtype));
                (format!("power{}({x}, {exponent})", suffix(dtype)), Binding::Atom)
            }
        }
    }

    pub(super) fn is_reference(&self, place: ArrayPlace) -> bool {
        matches!(place, ArrayPlace::Input | ArrayPlace::Output | ArrayPlace::Workspace(_))
    }

    /// A shared reference to an array.
    pub(super) fn reference(&self, array: ArrayId) -> String {
        (self.arrays)(array).replace("&mut ", "&")
    }

    pub(super) fn element(&mut self, array: ArrayId, index: &AffineIndex) -> (String, Binding) {
        let Array { is_scalar, place, .. } = self.code.arrays[array.0];
        let name = (self.arrays)(array);
        if is_scalar {
            return match place {
                ArrayPlace::Output => (format!("*{name}"), Binding::Prefix),
                _ => (name, Binding::Atom),
            };
        }
        match index.as_constant() {
            Some(position) => {
                (format!("{}[{position}]", name.trim_start_matches("&mut ").trim_start_matches('&')), Binding::Atom)
            }
            None => {
                self.calls.support.insert(("at", DType::F64));
                let index = self.index(index);
                (format!("at({}, {index})", self.reference(array)), Binding::Atom)
            }
        }
    }

    pub(super) fn store(&mut self, array: ArrayId, index: &AffineIndex, value: &str) -> String {
        let name = (self.arrays)(array);
        if self.code.arrays[array.0].is_scalar {
            return format!("*{name} = {value};");
        }
        match index.as_constant() {
            Some(position) => format!("{}[{position}] = {value};", name.trim_start_matches("&mut ")),
            None => {
                self.calls.support.insert(("put", DType::F64));
                let index = self.index(index);
                format!("put({name}, {index}, {value});")
            }
        }
    }

    pub(super) fn new_loop(&mut self, variable: LoopVariable) -> String {
        let name = format!("i{}", self.loops.len());
        self.loops.insert(variable, name.clone());
        name
    }

    /// An index; what is added comes before what is taken away, so that no step of it is negative.
    pub(super) fn index(&self, index: &AffineIndex) -> String {
        let mut text = String::new();
        let mut add = |sign: &str, part: String| {
            let _ = if text.is_empty() { write!(text, "{part}") } else { write!(text, " {sign} {part}") };
        };
        let term = |variable: LoopVariable, stride: usize| match stride {
            1 => self.loops[&variable].clone(),
            _ => format!("{stride} * {}", self.loops[&variable]),
        };
        for (variable, stride) in index.terms.iter().filter(|(_, stride)| *stride > 0) {
            add("+", term(*variable, stride.unsigned_abs()));
        }
        if index.constant > 0 || index.terms.is_empty() {
            add("+", index.constant.to_string());
        }
        for (variable, stride) in index.terms.iter().filter(|(_, stride)| *stride < 0) {
            add("-", term(*variable, stride.unsigned_abs()));
        }
        if index.constant < 0 && !index.terms.is_empty() {
            add("-", index.constant.unsigned_abs().to_string());
        }
        text
    }
}

pub(super) fn variable_name(variable: VariableId) -> String {
    format!("r{}", variable.0)
}

impl ScalarKind {
    pub(super) fn is_number(&self) -> bool {
        matches!(self, ScalarKind::Number(_))
    }
}
