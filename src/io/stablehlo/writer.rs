//! The text of StableHLO, operation by operation. In: the name of an operation, its operands, attributes and the type of its result. Out: a
//! line in the generic form of MLIR, and a [`Tensor`] that later lines name. It knows no primitive of this library.
//!
//! The generic form, `"stablehlo.add"(%0, %1) : (tensor<f32>, tensor<f32>) -> tensor<f32>`, is the same for all operations and is read by
//! every version of MLIR.

use std::{
    fmt::{self, Write as _},
    slice::from_ref,
};

use crate::graph::{DType, Literal, Site, Value};

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// One of the library's.
    Plain(DType),
    /// Pairs of floats, inside of Fourier transforms.
    Complex(DType),
}

/// Type of the elements, and sizes of the axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorType {
    pub(super) element: Element,
    pub(super) sizes: Vec<usize>,
}

/// A value of the text.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    name: String,
    pub(super) ty: TensorType,
}

/// A line of the text but for its results.
#[derive(Debug)]
pub(super) struct Line<'l> {
    pub(super) name: &'l str,
    pub(super) operands: &'l [Tensor],
    pub(super) attributes: String,
    pub(super) regions: Vec<String>,
}

/// What is written so far of one function.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    n_values: usize,
    depth: usize,
    /// The user's line for which is written.
    pub(super) site: Option<Site>,
}

impl TensorType {
    pub(super) fn new(dtype: DType, sizes: impl Into<Vec<usize>>) -> TensorType {
        TensorType { element: Element::Plain(dtype), sizes: sizes.into() }
    }

    /// Elements of the same type in another shape.
    pub(super) fn with_sizes(&self, sizes: impl Into<Vec<usize>>) -> TensorType {
        TensorType { element: self.element, sizes: sizes.into() }
    }

    /// The same shape of other elements.
    pub(super) fn of(&self, dtype: DType) -> TensorType {
        TensorType::new(dtype, self.sizes.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sizes.contains(&0)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        self.sizes.iter().try_for_each(|size| write!(f, "{size}x"))?;
        match self.element {
            Element::Plain(dtype) => write!(f, "{}>", word(dtype)),
            Element::Complex(dtype) => write!(f, "complex<{}>>", word(dtype)),
        }
    }
}

fn word(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::I64 => "i64",
        DType::Bool => "i1",
    }
}

impl Tensor {
    /// The type of its elements; those of complex ones are asked for by nobody.
    pub(super) fn dtype(&self) -> DType {
        match self.ty.element {
            Element::Plain(dtype) | Element::Complex(dtype) => dtype,
        }
    }

    pub(super) fn sizes(&self) -> &[usize] {
        &self.ty.sizes
    }

    pub(super) fn rank(&self) -> usize {
        self.ty.sizes.len()
    }

    /// The name with the type.
    pub(super) fn declaration(&self) -> String {
        format!("{}: {}", self.name, self.ty)
    }
}

impl<'l> Line<'l> {
    pub(super) fn new(name: &'l str, operands: &'l [Tensor]) -> Line<'l> {
        Line { name, operands, attributes: String::new(), regions: Vec::new() }
    }

    pub(super) fn attributes(self, attributes: impl Into<String>) -> Line<'l> {
        Line { attributes: attributes.into(), ..self }
    }

    pub(super) fn regions(self, regions: impl IntoIterator<Item = String>) -> Line<'l> {
        Line { regions: regions.into_iter().collect(), ..self }
    }
}

impl Writer {
    /// The operation of one result.
    pub(super) fn one(&mut self, line: Line<'_>, ty: TensorType) -> Tensor {
        self.line(line, vec![ty]).swap_remove(0)
    }

    /// The operation without attributes.
    pub(super) fn plain(&mut self, name: &str, operands: &[Tensor], ty: TensorType) -> Tensor {
        self.one(Line::new(name, operands), ty)
    }

    /// An operation whose operands and result have one type.
    pub(super) fn same(&mut self, name: &str, operands: &[Tensor]) -> Tensor {
        self.plain(name, operands, operands[0].ty.clone())
    }

    /// The operation of several results.
    pub(super) fn line(&mut self, line: Line<'_>, types: Vec<TensorType>) -> Vec<Tensor> {
        let number = self.n_values;
        self.n_values += 1;
        let results: Vec<Tensor> = if types.len() == 1 {
            types.iter().map(|ty| Tensor { name: format!("%{number}"), ty: ty.clone() }).collect()
        } else {
            let result =
                |(index, ty): (usize, &TensorType)| Tensor { name: format!("%{number}#{index}"), ty: ty.clone() };
            types.iter().enumerate().map(result).collect()
        };
        let count = if types.len() == 1 { String::new() } else { format!(":{}", types.len()) };
        self.indent();
        if !types.is_empty() {
            let _ = write!(self.text, "%{number}{count} = ");
        }
        self.operation(&line, &types);
        results
    }

    fn operation(&mut self, line: &Line<'_>, results: &[TensorType]) {
        let names: Vec<&str> = line.operands.iter().map(|operand| operand.name.as_str()).collect();
        let _ = write!(self.text, "\"{}\"({})", line.name, names.join(", "));
        if !line.regions.is_empty() {
            let _ = write!(self.text, " ({})", line.regions.join(", "));
        }
        if !line.attributes.is_empty() {
            let _ = write!(self.text, " {{{}}}", line.attributes);
        }
        let operands: Vec<String> = line.operands.iter().map(|operand| operand.ty.to_string()).collect();
        let results: Vec<String> = results.iter().map(TensorType::to_string).collect();
        let results = if let [result] = &results[..] { result.clone() } else { format!("({})", results.join(", ")) };
        let _ = write!(self.text, " : ({}) -> {results}", operands.join(", "));
        if let Some(Site { file, line, column }) = self.site {
            let _ = write!(self.text, " loc({}:{line}:{column})", quoted(file));
        }
        self.text.push('\n');
    }

    /// A region of these arguments, and what `write` gives of it; `end` is the operation that returns the results.
    pub(super) fn region<E>(
        &mut self,
        arguments: &[TensorType],
        end: &str,
        write: impl FnOnce(&mut Writer, &[Tensor]) -> Result<Vec<Tensor>, E>,
    ) -> Result<String, E> {
        let outer = std::mem::take(&mut self.text);
        self.depth += 1;
        let arguments = self.declared(arguments);
        if !arguments.is_empty() {
            let listed: Vec<String> = arguments.iter().map(Tensor::declaration).collect();
            self.indent();
            let _ = writeln!(self.text, "^bb0({}):", listed.join(", "));
        }
        let results = write(self, &arguments)?;
        self.line(Line::new(end, &results), Vec::new());
        self.depth -= 1;
        let inner = std::mem::replace(&mut self.text, outer);
        Ok(format!("{{\n{inner}{}}}", "  ".repeat(self.depth)))
    }

    /// A region of functions of scalars, which nothing can be wrong with.
    pub(super) fn scalars(
        &mut self,
        arguments: &[TensorType],
        write: impl FnOnce(&mut Writer, &[Tensor]) -> Vec<Tensor>,
    ) -> String {
        let region: Result<String, std::convert::Infallible> =
            self.region(arguments, "stablehlo.return", |writer, tensors| Ok(write(writer, tensors)));
        let Ok(region) = region;
        region
    }

    /// Tensors of these types that are defined elsewhere: arguments.
    pub(super) fn declared(&mut self, types: &[TensorType]) -> Vec<Tensor> {
        let declare = |ty: &TensorType| {
            self.n_values += 1;
            Tensor { name: format!("%{}", self.n_values - 1), ty: ty.clone() }
        };
        types.iter().map(declare).collect()
    }

    fn indent(&mut self) {
        (0..=self.depth).for_each(|_| self.text.push_str("  "));
    }

    /// A constant of that literal.
    pub(super) fn constant(&mut self, literal: &Literal, ty: TensorType) -> Tensor {
        let Element::Plain(dtype) = ty.element else { unreachable!("invariant: constants are not complex") };
        let (elements, listed) = match literal {
            _ if ty.is_empty() => (String::new(), ty.clone()),
            Literal::Number(number) => (number_text(*number, dtype), ty.clone()),
            Literal::Integer(integer) => (integer.to_string(), ty.clone()),
            Literal::Array(value) => (array_text(value), ty.with_sizes([value.len()])),
        };
        let line = Line::new("stablehlo.constant", &[]).attributes(format!("value = dense<{elements}> : {listed}"));
        let constant = self.one(line, listed.clone());
        if listed == ty { constant } else { self.plain("stablehlo.reshape", &[constant], ty) }
    }

    /// This number in every element.
    pub(super) fn number(&mut self, number: f64, ty: TensorType) -> Tensor {
        self.constant(&Literal::Number(number), ty)
    }

    /// This integer in every element.
    pub(super) fn integer(&mut self, integer: i64, sizes: impl Into<Vec<usize>>) -> Tensor {
        self.constant(&Literal::Integer(integer), TensorType::new(DType::I64, sizes))
    }

    /// Which of two tensors of numbers or truth values holds where `direction` says.
    pub(super) fn compare(&mut self, direction: &str, a: &Tensor, b: &Tensor) -> Tensor {
        let kind = match a.dtype() {
            DType::F32 | DType::F64 => "FLOAT",
            DType::I64 => "SIGNED",
            DType::Bool => "UNSIGNED",
        };
        let attributes = format!(
            "comparison_direction = #stablehlo<comparison_direction {direction}>, compare_type = #stablehlo<comparison_type {kind}>"
        );
        let operands = [a.clone(), b.clone()];
        self.one(Line::new("stablehlo.compare", &operands).attributes(attributes), a.ty.of(DType::Bool))
    }

    pub(super) fn select(&mut self, condition: &Tensor, yes: &Tensor, no: &Tensor) -> Tensor {
        self.plain("stablehlo.select", &[condition.clone(), yes.clone(), no.clone()], yes.ty.clone())
    }

    /// The same elements in another shape.
    pub(super) fn reshaped(&mut self, tensor: &Tensor, sizes: impl Into<Vec<usize>>) -> Tensor {
        let ty = tensor.ty.with_sizes(sizes);
        if ty == tensor.ty { tensor.clone() } else { self.plain("stablehlo.reshape", from_ref(tensor), ty) }
    }

    /// Axis i goes to `axes[i]` of a shape; axes of size 1 stretch.
    pub(super) fn broadcast(&mut self, tensor: &Tensor, axes: &[usize], sizes: &[usize]) -> Tensor {
        let attributes = format!("broadcast_dimensions = {}", integers(axes));
        let line = [tensor.clone()];
        let ty = tensor.ty.with_sizes(sizes);
        self.one(Line::new("stablehlo.broadcast_in_dim", &line).attributes(attributes), ty)
    }

    /// 0, 1, 2, … along an axis.
    pub(super) fn iota(&mut self, axis: usize, ty: TensorType) -> Tensor {
        self.one(Line::new("stablehlo.iota", &[]).attributes(format!("iota_dimension = {axis} : i64")), ty)
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A list of integers as an attribute.
pub(super) fn integers<T: fmt::Display>(numbers: impl IntoIterator<Item = T>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    if numbers.is_empty() { "array<i64>".to_owned() } else { format!("array<i64: {}>", numbers.join(", ")) }
}

/// A list of axes in dimension numbers.
pub(super) fn axes<T: fmt::Display>(numbers: impl IntoIterator<Item = T>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(", "))
}

/// Text in quotes, as MLIR reads it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                let _ = write!(quoted, "\\{}", byte as char);
            }
            0x20..=0x7e => quoted.push(byte as char),
            _ => {
                let _ = write!(quoted, "\\{byte:02X}");
            }
        }
    }
    quoted + "\""
}

fn number_text(number: f64, dtype: DType) -> String {
    match dtype {
        DType::F32 => f32_text(number as f32),
        DType::F64 => f64_text(number),
        DType::I64 => (number as i64).to_string(),
        DType::Bool => (number != 0.0).to_string(),
    }
}

/// A decimal of the fewest digits that mean this number, or its bits. A reader takes decimals for `f64` and rounds again.
fn f32_text(number: f32) -> String {
    let text = decimal(format!("{number:e}"));
    let is_exact =
        number.is_finite() && text.parse::<f64>().is_ok_and(|read| (read as f32).to_bits() == number.to_bits());
    if is_exact { text } else { format!("0x{:08X}", number.to_bits()) }
}

fn f64_text(number: f64) -> String {
    if number.is_finite() { decimal(format!("{number:e}")) } else { format!("0x{:016X}", number.to_bits()) }
}

/// The same decimal with a point, which MLIR asks for.
fn decimal(text: String) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

/// Up to so many elements are decimals, and more are their bytes.
const MAX_DECIMALS: usize = 64;

/// All elements of an array in row-major order.
fn array_text(value: &Value) -> String {
    fn listed(elements: impl Iterator<Item = String>) -> String {
        format!("[{}]", elements.collect::<Vec<_>>().join(", "))
    }
    fn bytes(elements: impl Iterator<Item = Vec<u8>>) -> String {
        let mut text = String::from("\"0x");
        elements.flatten().for_each(|byte| {
            let _ = write!(text, "{byte:02X}");
        });
        text + "\""
    }
    let is_short = value.len() <= MAX_DECIMALS;
    match value {
        Value::F32(array) if is_short => listed(array.iter().map(|x| f32_text(*x))),
        Value::F64(array) if is_short => listed(array.iter().map(|x| f64_text(*x))),
        Value::I64(array) if is_short => listed(array.iter().map(i64::to_string)),
        Value::Bool(array) => listed(array.iter().map(bool::to_string)),
        Value::F32(array) => bytes(array.iter().map(|x| x.to_le_bytes().to_vec())),
        Value::F64(array) => bytes(array.iter().map(|x| x.to_le_bytes().to_vec())),
        Value::I64(array) => bytes(array.iter().map(|x| x.to_le_bytes().to_vec())),
    }
}
