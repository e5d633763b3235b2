//! Attributes of primitives as text, both ways. In: one value or its text. Out: the other. One line here is all that a
//! new kind of attribute needs to be printed and read back.

use std::{fmt::Write, sync::Arc};

use ndarray::{ArrayD, IxDyn};

use super::{
    cursor::{Cursor, ParseError, Problem},
    dim::Dim,
    dtype::DType,
    initializer::Initializer,
    op::{Dims, Direction, Literal, Name, Orientation, Ranking, Reduction, Triangle, WindowReduction},
    shape::{Axes, Shape, Type},
    value::Value,
};

/// How much of a large array is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The first elements: for people.
    Abbreviated,
    /// All: can be read back.
    Exact,
}

/// How many elements of a constant the abbreviated form shows.
const SHOWN_ELEMENTS: usize = 6;

/// Collects the attributes of one node, each after a space.
pub(crate) struct Writer {
    pub(crate) text: String,
    pub(crate) detail: Detail,
}

impl Writer {
    fn word(&mut self, word: impl std::fmt::Display) {
        write!(self.text, " {word}").expect("invariant: writing to a string does not fail");
    }

    fn field(&mut self, key: &str, value: impl std::fmt::Display) {
        self.word(format_args!("{key}={value}"));
    }
}

/// What is known of a node before its attributes are read.
pub(crate) struct Declared<'t> {
    pub(crate) operation: &'t str,
    pub(crate) ty: Type,
}

/// A value that a primitive is configured with.
pub(crate) trait Attribute: Sized {
    /// Writes itself, as `key=value` or, for the one thing an operation is about, the bare value.
    fn write(&self, key: &str, writer: &mut Writer);

    /// Reads what `write` wrote.
    fn read(key: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError>;
}

fn key(key: &str, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.take(key) && cursor.take("=") { Ok(()) } else { cursor.expected(format_args!("`{key}=`")) }
}

/// The output's shape: stands in the node's type.
impl Attribute for Shape {
    fn write(&self, _: &str, _: &mut Writer) {}

    fn read(_: &str, declared: &Declared<'_>, _: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(declared.ty.shape.clone())
    }
}

/// The output's dtype: stands in the node's type.
impl Attribute for DType {
    fn write(&self, _: &str, _: &mut Writer) {}

    fn read(_: &str, declared: &Declared<'_>, _: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(declared.ty.dtype)
    }
}

macro_rules! number_attribute {
    ($($type:ty),*) => {$(
        impl Attribute for $type {
            fn write(&self, key: &str, writer: &mut Writer) {
                writer.field(key, self);
            }

            fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
                key(name, cursor)?;
                cursor.number()
            }
        }
    )*};
}
number_attribute!(usize, i64);

impl Attribute for Dim {
    fn write(&self, key: &str, writer: &mut Writer) {
        writer.field(key, self);
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        cursor.dim()
    }
}

impl Attribute for Axes {
    fn write(&self, key: &str, writer: &mut Writer) {
        writer.field(key, format_args!("{self:?}"));
    }

    fn read(name: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        key(name, cursor)?;
        Ok(cursor.list(Cursor::number)?.into())
    }
}

impl Attribute for Dims {
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
        impl Attribute for $type {
            fn write(&self, _: &str, _: &mut Writer) {}

            fn read(_: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
                Self::from_name(declared.operation)
                    .ok_or_else(|| cursor.error(Problem::UnknownOperation(declared.operation.to_string())))
            }
        }
    )*};
}
kind_attribute!(Reduction, Ranking, WindowReduction);

macro_rules! choice_attribute {
    ($($type:ty),*) => {$(
        impl Attribute for $type {
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
choice_attribute!(Direction, Triangle, Orientation);

impl Attribute for Name {
    fn write(&self, _: &str, writer: &mut Writer) {
        writer.word(format_args!("{:?}", self.0));
    }

    fn read(_: &str, _: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Ok(Name(cursor.string()?.into()))
    }
}

impl Attribute for Initializer {
    fn write(&self, key: &str, writer: &mut Writer) {
        match self {
            Initializer::Zeros => writer.field(key, "zeros"),
            Initializer::Constant(number) => writer.field(key, format_args!("constant({number:?})")),
            Initializer::Uniform { low, high } => writer.field(key, format_args!("uniform({low:?}, {high:?})")),
            Initializer::Normal { mean, deviation } => {
                writer.field(key, format_args!("normal({mean:?}, {deviation:?})"));
            }
            Initializer::GlorotUniform => writer.field(key, "glorot_uniform"),
            Initializer::GlorotNormal => writer.field(key, "glorot_normal"),
            Initializer::HeUniform => writer.field(key, "he_uniform"),
            Initializer::HeNormal => writer.field(key, "he_normal"),
            Initializer::Orthogonal { gain } => writer.field(key, format_args!("orthogonal({gain:?})")),
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
            ("glorot_uniform", []) => Ok(Initializer::GlorotUniform),
            ("glorot_normal", []) => Ok(Initializer::GlorotNormal),
            ("he_uniform", []) => Ok(Initializer::HeUniform),
            ("he_normal", []) => Ok(Initializer::HeNormal),
            ("orthogonal", &[gain]) => Ok(Initializer::Orthogonal { gain }),
            _ => start.expected("an initializer with its arguments"),
        }
    }
}

impl Attribute for Literal {
    fn write(&self, _: &str, writer: &mut Writer) {
        match self {
            Literal::Number(number) => writer.word(number),
            Literal::Integer(integer) => writer.word(integer),
            Literal::Array(value) => {
                let shown = if writer.detail == Detail::Exact { usize::MAX } else { SHOWN_ELEMENTS };
                writer.word(elements_text(value, shown));
            }
        }
    }

    fn read(_: &str, declared: &Declared<'_>, cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if !cursor.take("[") {
            return match declared.ty.dtype {
                DType::I64 => Ok(Literal::Integer(cursor.number()?)),
                _ => Ok(Literal::Number(cursor.number()?)),
            };
        }
        let Some(shape) = declared.ty.shape.as_numbers() else {
            return cursor.expected("a constant's shape without symbols");
        };
        let value = match declared.ty.dtype {
            DType::F32 => Value::F32(read_elements(&shape, cursor)?),
            DType::F64 => Value::F64(read_elements(&shape, cursor)?),
            DType::I64 => Value::I64(read_elements(&shape, cursor)?),
            DType::Bool => Value::Bool(read_elements(&shape, cursor)?),
        };
        Ok(Literal::Array(Arc::new(value)))
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

/// The elements after the opening bracket, up to the closing one.
fn read_elements<T: std::str::FromStr>(shape: &[usize], cursor: &mut Cursor<'_>) -> Result<ArrayD<T>, ParseError> {
    let start = cursor.clone();
    let mut elements = Vec::new();
    while !cursor.take("]") {
        if !elements.is_empty() {
            cursor.expect(",")?;
        }
        if cursor.take("…") {
            return Err(cursor.error(Problem::Abbreviated));
        }
        elements.push(cursor.number()?);
    }
    let found = elements.len();
    let expected = shape.iter().try_fold(1usize, |size, dim| size.checked_mul(*dim)).unwrap_or(usize::MAX);
    ArrayD::from_shape_vec(IxDyn(shape), elements).map_err(|_| start.error(Problem::Elements { expected, found }))
}
