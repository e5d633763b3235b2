//! Attributes of primitives as text, both ways. In: one value or its text. Out: the other. One line here is all that a
//! new kind of attribute needs to be printed and read back.

use std::{fmt::Write, str::FromStr};

use ndarray::{ArrayD, IxDyn};

use super::{
    cursor::Cursor,
    error::{ParseError, ParseErrorKind},
    registry::Registry,
};
use crate::graph::{
    self, Axes, Body, Bound, Checkpoints, CustomKind, DType, Dim, Dims, GraphError, Initializer, Literal, Name, Op,
    Orientation, Ranking, Reduction, ScanDirection, ScanOutput, Shape, Side, TraceNumber, Triangle, Type, Value,
    WindowReduction, operations,
};

/// How much of a large array is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The first elements: for people.
    Abbreviated,
    /// All: can be read back.
    Exact,
}

/// How many elements of a constant the abbreviated form shows.
const SHOWN_ELEMENTS: usize = 6;

/// Collects the text of a graph.
pub(super) struct Writer {
    pub(super) text: String,
    pub(super) detail: Detail,
    /// The dtype of the node whose attributes are written.
    pub(super) dtype: DType,
    /// The bodies that are written above, by their numbers.
    pub(super) bodies: Vec<Body>,
}

impl Writer {
    /// Writes a word after a space.
    pub(super) fn word(&mut self, word: impl std::fmt::Display) {
        write!(self.text, " {word}").expect("invariant: writing to a string does not fail");
    }

    fn field(&mut self, key: &str, value: impl std::fmt::Display) {
        self.word(format_args!("{key}={value}"));
    }
}

#[cfg(feature = "plot")]
impl Op {
    /// The attributes of an operation whose value has this dtype, for people; bodies have the numbers in which the operation has
    /// them.
    pub(crate) fn attributes_text(&self, dtype: DType) -> String {
        let bodies = self.bodies().into_iter().cloned().collect();
        let mut writer = Writer { text: String::new(), detail: Detail::Abbreviated, dtype, bodies };
        write_attributes(self, &mut writer);
        writer.text
    }
}

/// What is known of a node before its attributes are read.
pub(super) struct Declared<'t> {
    pub(super) operation: &'t str,
    pub(super) ty: Type,
    /// The bodies above, by their numbers; none for one with a line that is wrong.
    pub(super) bodies: &'t [Option<Body>],
    pub(super) registry: &'t Registry,
}

/// A value that a primitive is configured with.
pub(super) trait TextAttribute: Sized {
    /// Writes itself, as `key=value` or, for the one thing an operation is about, the bare value.
    fn write(&self, key: &str, writer: &mut Writer);

    /// Reads what `write` wrote.
    fn read(key: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError>;
}

/// Whether an operation's name is that of a row.
macro_rules! is_named {
    ($name:literal, $declared:expr) => {
        $declared.operation == $name
    };
    (CustomKind, $declared:expr) => {
        $declared.registry.contains($declared.operation)
    };
    ($kind:ident, $declared:expr) => {
        $kind::from_name($declared.operation).is_some()
    };
}

macro_rules! write_and_read {
    ($($(#[$doc:meta])* $op:ident = $name:tt { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        /// Writes the attributes, in the order of declaration.
        pub(super) fn write_attributes(op: &Op, writer: &mut Writer) {
            match op {
                Op::Unary(_) | Op::Binary(_) | Op::Comparison(_) | Op::Connective(_) | Op::Predicate(_) => {}
                $(Op::$op(graph::$op { $($field),* }) => { $($field.write(stringify!($field), writer);)* })*
            }
        }

        /// Reads the attributes of the operation that is declared; `None` if there is none of this name.
        pub(super) fn read_operation(
            declared: &Declared<'_>,
            cursor: &mut Cursor<'_>,
        ) -> Result<Option<Op>, ParseError> {
            if let Some(op) = Op::elementwise_from_name(declared.operation) {
                return Ok(Some(op));
            }
            $(if is_named!($name, declared) {
                let op = graph::$op { $($field: TextAttribute::read(stringify!($field), declared, cursor)?),* };
                return Ok(Some(op.into()));
            })*
            Ok(None)
        }
    };
}
operations!(write_and_read);

fn key(key: &str, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let start = cursor.clone();
    let found = cursor.word().is_ok_and(|word| word == key) && cursor.take("=");
    if found { Ok(()) } else { start.expected(format_args!("`{key}=`")) }
}

/// The output's shape: stands in the node's type, which is checked for itself.
impl TextAttribute for Shape {
    fn write(&self, _: &str, _: &mut Writer) {}

    fn read(_: &str, declared: &Declared<'_>, _: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(declared.ty.shape.clone())
    }
}

/// The output's dtype: stands in the node's type.
impl TextAttribute for DType {
    fn write(&self, _: &str, _: &mut Writer) {}

    fn read(_: &str, declared: &Declared<'_>, _: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(declared.ty.dtype)
    }
}

/// Which closure an argument belongs to: of no meaning outside of the program that runs it.
impl TextAttribute for TraceNumber {
    fn write(&self, _: &str, _: &mut Writer) {}

    fn read(_: &str, _: &Declared<'_>, _: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(TraceNumber(0))
    }
}

/// The number of a body that stands above.
impl TextAttribute for Body {
    fn write(&self, key: &str, writer: &mut Writer) {
        let number = writer.bodies.iter().position(|body| body == self);
        writer.field(key, number.expect("invariant: bodies are written before their users"));
    }

    fn read(name: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        let start = cursor.clone();
        let number = cursor.count()?;
        declared.bodies.get(number).cloned().flatten().ok_or_else(|| start.error(ParseErrorKind::UnknownBody(number)))
    }
}

/// The attributes of an operation of the user's own, as it writes them.
impl TextAttribute for CustomKind {
    fn write(&self, _: &str, writer: &mut Writer) {
        let attributes = self.attributes();
        if !attributes.is_empty() {
            writer.word(format_args!("{attributes:?}"));
        }
    }

    fn read(_: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        declared.registry.read(declared.operation, cursor)
    }
}

impl TextAttribute for ScanOutput {
    fn write(&self, key: &str, writer: &mut Writer) {
        match self {
            ScanOutput::Final(carry) => writer.field(key, format_args!("final({carry})")),
            ScanOutput::Stacked(number) => writer.field(key, format_args!("stacked({number})")),
            ScanOutput::Saved(number) => writer.field(key, format_args!("saved({number})")),
        }
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        let start = cursor.clone();
        let output = match cursor.word()? {
            "final" => ScanOutput::Final,
            "stacked" => ScanOutput::Stacked,
            "saved" => ScanOutput::Saved,
            _ => return start.expected("final(carry), stacked(node) or saved(node)"),
        };
        cursor.expect("(")?;
        let number = cursor.count()?;
        cursor.expect(")")?;
        Ok(output(number))
    }
}

impl TextAttribute for Checkpoints {
    fn write(&self, key: &str, writer: &mut Writer) {
        match self {
            Checkpoints::All => writer.field(key, "all"),
            Checkpoints::Every(count) => writer.field(key, format_args!("every({count})")),
            Checkpoints::SquareRoot => writer.field(key, "square_root"),
        }
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        let start = cursor.clone();
        match cursor.word()? {
            "all" => Ok(Checkpoints::All),
            "square_root" => Ok(Checkpoints::SquareRoot),
            "every" => {
                cursor.expect("(")?;
                let count = cursor.count()?;
                cursor.expect(")")?;
                Ok(Checkpoints::Every(count))
            }
            _ => start.expected("all, every(count) or square_root"),
        }
    }
}

impl TextAttribute for Bound {
    fn write(&self, key: &str, writer: &mut Writer) {
        match self.0 {
            Some(bound) => writer.field(key, bound),
            None => writer.field(key, "none"),
        }
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        if cursor.take("none") { Ok(Bound(None)) } else { Ok(Bound(Some(cursor.count()?))) }
    }
}

macro_rules! number_attribute {
    ($($type:ty = $read:ident;)*) => {$(
        impl TextAttribute for $type {
            fn write(&self, key: &str, writer: &mut Writer) {
                writer.field(key, self);
            }

            fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
                key(name, cursor)?;
                cursor.$read()
            }
        }
    )*};
}
number_attribute! {
    usize = count;
    i64 = number;
    Dim = dim;
}

impl TextAttribute for Axes {
    fn write(&self, key: &str, writer: &mut Writer) {
        writer.field(key, format_args!("{self:?}"));
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        Ok(cursor.list(Cursor::count)?.into())
    }
}

impl TextAttribute for Dims {
    fn write(&self, key: &str, writer: &mut Writer) {
        writer.field(key, format_args!("{self:?}"));
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        Ok(cursor.list(Cursor::dim)?.into())
    }
}

/// Kinds that the operation's own name says.
macro_rules! kind_attribute {
    ($($type:ty),*) => {$(
        impl TextAttribute for $type {
            fn write(&self, _: &str, _: &mut Writer) {}

            fn read(_: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
                Self::from_name(declared.operation)
                    .ok_or_else(|| cursor.error(ParseErrorKind::UnknownOperation(declared.operation.to_string())))
            }
        }
    )*};
}
kind_attribute!(Reduction, Ranking, WindowReduction);

macro_rules! choice_attribute {
    ($($type:ty),*) => {$(
        impl TextAttribute for $type {
            fn write(&self, key: &str, writer: &mut Writer) {
                writer.field(key, self.name());
            }

            fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
                key(name, cursor)?;
                let start = cursor.clone();
                let names: Vec<_> = Self::ALL.iter().map(|choice| choice.name()).collect();
                Self::from_name(cursor.word()?).map_or_else(|| start.expected(names.join(" or ")), Ok)
            }
        }
    )*};
}
choice_attribute!(ScanDirection, Side, Triangle, Orientation);

impl TextAttribute for Name {
    fn write(&self, _: &str, writer: &mut Writer) {
        writer.word(format_args!("{:?}", self.0));
    }

    fn read(_: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(Name(cursor.string()?.into()))
    }
}

impl TextAttribute for Initializer {
    fn write(&self, key: &str, writer: &mut Writer) {
        match self {
            Initializer::Zeros => writer.field(key, "zeros"),
            Initializer::Constant(number) => writer.field(key, format_args!("constant({number:?})")),
            Initializer::Uniform { low, high } => writer.field(key, format_args!("uniform({low:?}, {high:?})")),
            Initializer::Normal { mean, deviation } => {
                writer.field(key, format_args!("normal({mean:?}, {deviation:?})"));
            }
            Initializer::TruncatedNormal { mean, deviation } => {
                writer.field(key, format_args!("truncated_normal({mean:?}, {deviation:?})"));
            }
            Initializer::GlorotUniform => writer.field(key, "glorot_uniform"),
            Initializer::GlorotNormal => writer.field(key, "glorot_normal"),
            Initializer::HeUniform => writer.field(key, "he_uniform"),
            Initializer::HeNormal => writer.field(key, "he_normal"),
            Initializer::LecunUniform => writer.field(key, "lecun_uniform"),
            Initializer::LecunNormal => writer.field(key, "lecun_normal"),
            Initializer::FanInUniform => writer.field(key, "fan_in_uniform"),
            Initializer::Orthogonal { gain } => writer.field(key, format_args!("orthogonal({gain:?})")),
            Initializer::Key => writer.field(key, "key"),
        }
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        let start = cursor.clone();
        let distribution = cursor.word()?;
        let mut arguments = Vec::new();
        if cursor.take("(") {
            arguments.push(cursor.number::<f64>()?);
            while cursor.take(",") {
                arguments.push(cursor.number::<f64>()?);
            }
            cursor.expect(")")?;
        }
        match (distribution, arguments.as_slice()) {
            ("zeros", []) => Ok(Initializer::Zeros),
            ("constant", &[number]) => Ok(Initializer::Constant(number)),
            ("uniform", &[low, high]) => Ok(Initializer::Uniform { low, high }),
            ("normal", &[mean, deviation]) => Ok(Initializer::Normal { mean, deviation }),
            ("truncated_normal", &[mean, deviation]) => Ok(Initializer::TruncatedNormal { mean, deviation }),
            ("glorot_uniform", []) => Ok(Initializer::GlorotUniform),
            ("glorot_normal", []) => Ok(Initializer::GlorotNormal),
            ("he_uniform", []) => Ok(Initializer::HeUniform),
            ("he_normal", []) => Ok(Initializer::HeNormal),
            ("lecun_uniform", []) => Ok(Initializer::LecunUniform),
            ("lecun_normal", []) => Ok(Initializer::LecunNormal),
            ("fan_in_uniform", []) => Ok(Initializer::FanInUniform),
            ("orthogonal", &[gain]) => Ok(Initializer::Orthogonal { gain }),
            ("key", []) => Ok(Initializer::Key),
            _ => start.expected(
                "zeros, constant(c), uniform(low, high), normal(mean, deviation), truncated_normal(mean, deviation), \
                 glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, fan_in_uniform, \
                 orthogonal(gain) or key",
            ),
        }
    }
}

impl TextAttribute for Literal {
    fn write(&self, _: &str, writer: &mut Writer) {
        match self {
            Literal::Number(number) if writer.dtype == DType::Bool => writer.word(*number != 0.0),
            Literal::Number(number) if writer.dtype == DType::F32 && writer.detail == Detail::Abbreviated => {
                writer.word(format_args!("{:?}", *number as f32));
            }
            Literal::Number(number) => writer.word(format_args!("{number:?}")),
            Literal::Integer(integer) => writer.word(integer),
            Literal::Array(value) => {
                let shown = if writer.detail == Detail::Exact { usize::MAX } else { SHOWN_ELEMENTS };
                writer.word(elements_text(value, shown));
            }
        }
    }

    fn read(_: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if !cursor.is_at("[") {
            return Ok(match declared.ty.dtype {
                DType::I64 => Literal::Integer(cursor.number()?),
                DType::Bool => Literal::Number(f64::from(cursor.number::<bool>()?)),
                DType::F32 | DType::F64 => Literal::Number(cursor.number()?),
            });
        }
        let shape = &declared.ty.shape;
        Ok(Literal::from(match declared.ty.dtype {
            DType::F32 => Value::F32(read_elements(shape, cursor)?),
            DType::F64 => Value::F64(read_elements(shape, cursor)?),
            DType::I64 => Value::I64(read_elements(shape, cursor)?),
            DType::Bool => Value::Bool(read_elements(shape, cursor)?),
        }))
    }
}

fn elements_text(value: &Value, shown: usize) -> String {
    fn join<T: std::fmt::Debug>(array: &ArrayD<T>, shown: usize) -> String {
        let mut words: Vec<String> = array.iter().take(shown).map(|element| format!("{element:?}")).collect();
        if array.len() > shown {
            words.push(format!("… {} elements", array.len()));
        }
        format!("[{}]", words.join(", "))
    }
    match value {
        Value::F32(array) => join(array, shown),
        Value::F64(array) => join(array, shown),
        Value::I64(array) => join(array, shown),
        Value::Bool(array) => join(array, shown),
    }
}

/// The elements in brackets, in row-major order, as many as `shape` has.
fn read_elements<T: FromStr>(shape: &Shape, cursor: &mut Cursor<'_>) -> Result<ArrayD<T>, ParseError> {
    let start = cursor.clone();
    let elements = cursor.list(|cursor| {
        if cursor.is_at("…") { Err(cursor.error(ParseErrorKind::Abbreviated)) } else { cursor.number() }
    })?;
    let Some(sizes) = shape.as_numbers() else {
        return start.expected("one number for all elements of an array with symbols in its shape");
    };
    let found = elements.len();
    match sizes.iter().try_fold(1usize, |size, dim| size.checked_mul(*dim)) {
        Some(expected) if expected != found => Err(start.error(ParseErrorKind::Elements { expected, found })),
        _ => ArrayD::from_shape_vec(IxDyn(&sizes), elements)
            .map_err(|_| start.error(ParseErrorKind::Graph(GraphError::TooLarge { shape: shape.clone() }))),
    }
}
