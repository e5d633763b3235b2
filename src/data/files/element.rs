//! Numbers as they stand in files. In: bytes. Out: elements of one of the four dtypes.

use crate::graph::DType;

/// The type of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// Bytes that are 0 or 1, read as `bool`.
    Bool,
    /// Read as `i64`, as all integers.
    U8,
    /// Read as `i64`.
    I8,
    /// Read as `i64`.
    U16,
    /// Read as `i64`.
    I16,
    /// Read as `i64`.
    U32,
    /// Read as `i64`.
    I32,
    /// Read as `i64`.
    I64,
    /// Read as `f32`.
    F32,
    /// Read as `f64`.
    F64,
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// The least significant.
    Little,
    /// The most significant.
    Big,
}

impl Stored {
    /// Bytes of one number.
    pub fn n_bytes(self) -> usize {
        match self {
            Stored::Bool | Stored::U8 | Stored::I8 => 1,
            Stored::U16 | Stored::I16 => 2,
            Stored::U32 | Stored::I32 | Stored::F32 => 4,
            Stored::I64 | Stored::F64 => 8,
        }
    }
}

/// The dtype of what is read: a number that is divided is an `f32`.
pub(super) fn decoded_dtype(stored: Stored, divisor: Option<f32>) -> DType {
    match (stored, divisor) {
        (_, Some(_)) | (Stored::F32, None) => DType::F32,
        (Stored::Bool, None) => DType::Bool,
        (Stored::F64, None) => DType::F64,
        (Stored::U8 | Stored::I8 | Stored::U16 | Stored::I16 | Stored::U32 | Stored::I32 | Stored::I64, None) => {
            DType::I64
        }
    }
}

/// How the numbers of a column are read.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) stored: Stored,
    pub(super) order: ByteOrder,
    pub(super) divisor: Option<f32>,
}

/// A truth value that is none: which byte of the record, and what it is.
type NoTruth = (usize, u64);

/// The number of a group of bytes, in the order of the file.
macro_rules! number {
    ($type:ty, $group:expr, $order:expr) => {{
        let mut bytes = [0; size_of::<$type>()];
        bytes.copy_from_slice($group);
        match $order {
            ByteOrder::Little => <$type>::from_le_bytes(bytes),
            ByteOrder::Big => <$type>::from_be_bytes(bytes),
        }
    }};
}

impl Decoder {
    fn groups<'b>(&self, record: &'b [u8]) -> std::slice::ChunksExact<'b, u8> {
        record.chunks_exact(self.stored.n_bytes())
    }

    pub(super) fn i64s(&self, record: &[u8], elements: &mut Vec<i64>) -> Result<(), NoTruth> {
        elements.extend(self.groups(record).map(|group| self.integer(group)));
        Ok(())
    }

    pub(super) fn f64s(&self, record: &[u8], elements: &mut Vec<f64>) -> Result<(), NoTruth> {
        elements.extend(self.groups(record).map(|group| self.float(group)));
        Ok(())
    }

    pub(super) fn f32s(&self, record: &[u8], elements: &mut Vec<f32>) -> Result<(), NoTruth> {
        let divisor = self.divisor.unwrap_or(1.0);
        elements.extend(self.groups(record).map(|group| self.float(group) as f32 / divisor));
        Ok(())
    }

    pub(super) fn bools(&self, record: &[u8], elements: &mut Vec<bool>) -> Result<(), NoTruth> {
        if let Some(position) = record.iter().position(|byte| *byte > 1) {
            return Err((position, u64::from(record[position])));
        }
        elements.extend(record.iter().map(|byte| *byte == 1));
        Ok(())
    }

    fn integer(&self, group: &[u8]) -> i64 {
        match self.stored {
            Stored::Bool | Stored::U8 => i64::from(group[0]),
            Stored::I8 => i64::from(group[0] as i8),
            Stored::U16 => i64::from(number!(u16, group, self.order)),
            Stored::I16 => i64::from(number!(i16, group, self.order)),
            Stored::U32 => i64::from(number!(u32, group, self.order)),
            Stored::I32 => i64::from(number!(i32, group, self.order)),
            Stored::I64 => number!(i64, group, self.order),
            Stored::F32 => number!(f32, group, self.order) as i64,
            Stored::F64 => number!(f64, group, self.order) as i64,
        }
    }

    fn float(&self, group: &[u8]) -> f64 {
        match self.stored {
            Stored::F32 => f64::from(number!(f32, group, self.order)),
            Stored::F64 => number!(f64, group, self.order),
            Stored::Bool
            | Stored::U8
            | Stored::I8
            | Stored::U16
            | Stored::I16
            | Stored::U32
            | Stored::I32
            | Stored::I64 => self.integer(group) as f64,
        }
    }
}
