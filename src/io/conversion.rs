//! Numbers of the types that files have, as numbers of the types that models have. In: bytes of a type. Out: floats, integers or
//! truth values, and back to halves.

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use safetensors::Dtype;

use crate::graph::{DType, Value};

/// How floats are written into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StoredFloat {
    /// As they are.
    #[default]
    Same,
    /// IEEE 754 half precision: 11 bits, up to 65,504; what is greater becomes infinite.
    F16,
    /// The upper half of an f32: 8 bits, of the same range.
    BF16,
}

/// Bytes of a type of files as an array of a dtype: rounded to the nearest where it has fewer digits. None where there is no such
/// conversion: floats do not become integers, and nothing becomes a truth value.
pub(super) fn converted(dtype: Dtype, shape: &[usize], bytes: &[u8], to: DType) -> Option<Value> {
    let shape = IxDyn(shape);
    match to {
        DType::F32 => Some(Value::F32(ArrayD::from_shape_vec(shape, floats(dtype, bytes, |x| x as f32)?).ok()?)),
        DType::F64 => Some(Value::F64(ArrayD::from_shape_vec(shape, floats(dtype, bytes, |x| x)?).ok()?)),
        DType::I64 => Some(Value::I64(ArrayD::from_shape_vec(shape, integers(dtype, bytes)?).ok()?)),
        DType::Bool if dtype == Dtype::BOOL => {
            Some(Value::Bool(ArrayD::from_shape_vec(shape, bytes.iter().map(|byte| *byte != 0).collect()).ok()?))
        }
        DType::Bool => None,
    }
}

fn each<const N: usize, T>(bytes: &[u8], to: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| to(*bytes)).collect()
}

/// Every number of these types but u64 and i64 beyond 2⁵³ is an f64.
fn floats<T>(dtype: Dtype, bytes: &[u8], to: impl Fn(f64) -> T) -> Option<Vec<T>> {
    Some(match dtype {
        Dtype::F16 => each(bytes, |bytes| to(f16::from_le_bytes(bytes).to_f64())),
        Dtype::BF16 => each(bytes, |bytes| to(bf16::from_le_bytes(bytes).to_f64())),
        Dtype::F32 => each(bytes, |bytes| to(f32::from_le_bytes(bytes).into())),
        Dtype::F64 => each(bytes, |bytes| to(f64::from_le_bytes(bytes))),
        Dtype::I64 => each(bytes, |bytes| to(i64::from_le_bytes(bytes) as f64)),
        Dtype::U64 => each(bytes, |bytes| to(u64::from_le_bytes(bytes) as f64)),
        other => integers(other, bytes)?.into_iter().map(|integer| to(integer as f64)).collect(),
    })
}

/// None of floats, truth values, and u64 beyond what an i64 holds.
fn integers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<i64>> {
    Some(match dtype {
        Dtype::I8 => each(bytes, |bytes| i8::from_le_bytes(bytes).into()),
        Dtype::U8 => each(bytes, |bytes| u8::from_le_bytes(bytes).into()),
        Dtype::I16 => each(bytes, |bytes| i16::from_le_bytes(bytes).into()),
        Dtype::U16 => each(bytes, |bytes| u16::from_le_bytes(bytes).into()),
        Dtype::I32 => each(bytes, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::U32 => each(bytes, |bytes| u32::from_le_bytes(bytes).into()),
        Dtype::I64 => each(bytes, i64::from_le_bytes),
        Dtype::U64 => {
            let integers = each(bytes, |bytes| i64::try_from(u64::from_le_bytes(bytes)).ok());
            return integers.into_iter().collect();
        }
        _ => return None,
    })
}

/// Floats as a type of files, with its name.
pub(super) fn halves(numbers: impl Iterator<Item = f64>, stored: StoredFloat) -> Option<(Dtype, Vec<u8>)> {
    match stored {
        StoredFloat::Same => None,
        StoredFloat::F16 => Some((Dtype::F16, numbers.flat_map(|x| f16::from_f64(x).to_le_bytes()).collect())),
        StoredFloat::BF16 => Some((Dtype::BF16, numbers.flat_map(|x| bf16::from_f64(x).to_le_bytes()).collect())),
    }
}
