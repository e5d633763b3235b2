//! Times the functions of `geometry.rs`, and asks that all three agree.

use std::hint::black_box;

use super::{casadi_call, difference, ours, ours::Std, repeated, say, times, wrenfold};

#[link(name = "casadi_functions")]
unsafe extern "C" {
    fn c_quat_local_coords(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
    fn c_imu_integration(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
    fn c_quat_interpolation(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
    fn c_rolling_shutter_camera(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
}

/// What wrenfold's Rust asks of matrices, for arrays.
pub mod wrenfold_traits {
    pub trait Span2D<const ROWS: usize, const COLUMNS: usize> {
        type ValueType;
        fn get(&self, row: usize, column: usize) -> Self::ValueType;
    }

    pub trait OutputSpan2D<const ROWS: usize, const COLUMNS: usize> {
        type ValueType;
        fn set(&mut self, row: usize, column: usize, value: Self::ValueType);
    }

    impl<const N: usize> Span2D<N, 1> for [f64; N] {
        type ValueType = f64;
        #[inline]
        fn get(&self, row: usize, _: usize) -> f64 {
            self[row]
        }
    }

    impl<const LEN: usize, const ROWS: usize, const COLUMNS: usize> OutputSpan2D<ROWS, COLUMNS> for [f64; LEN] {
        type ValueType = f64;
        #[inline]
        fn set(&mut self, row: usize, column: usize, value: f64) {
            self[row * COLUMNS + column] = value;
        }
    }
}

/// The largest difference that rounding makes of values and Jacobians in double precision here.
const MAX_DIFFERENCE: f64 = 1e-12;

/// Times one function, whose arguments are arrays or numbers and whose results are arrays.
macro_rules! compare {
    ($title:literal, $name:ident, $casadi:ident, ($($argument:ident),*), ($($result:ident: $len:literal),*)) => {{
        let mut results = [(); 3].map(|()| ($([0.0f64; $len],)*));
        let [t, peer, c] = {
            let [mine, theirs, foreign] = &mut results;
            let ($($result,)*) = mine;
            let mut own = repeated(|| ours::$name::<Std>($(black_box($argument)),*, $(black_box(&mut *$result)),*));
            let ($($result,)*) = theirs;
            let mut peer = repeated(|| wrenfold::$name($(black_box($argument)),*, $(black_box(&mut *$result)),*));
            let ($($result,)*) = foreign;
            let mut foreign = [$(&mut $result[..]),*];
            let mut c = repeated(casadi_call($casadi, &[$($argument.numbers()),*], &mut foreign));
            times([&mut own, &mut peer, &mut c])
        };
        let [mine, theirs, foreign] = results.map(|($($result,)*)| [$(&$result[..]),*].concat());
        let largest = difference(&mine, &theirs).max(difference(&mine, &foreign));
        assert!(largest <= MAX_DIFFERENCE, "{} differs by {largest:e}", $title);
        say($title, t, Some(peer), c, largest);
    }};
}

/// Asks that all three agree where an angle is 0.
macro_rules! agree {
    ($name:ident, $casadi:ident, ($($argument:ident),*), ($($result:ident: $len:literal),*)) => {{
        let mut results = [(); 3].map(|()| ($([0.0f64; $len],)*));
        let [mine, theirs, foreign] = &mut results;
        let ($($result,)*) = mine;
        ours::$name::<Std>($($argument),*, $($result),*);
        let ($($result,)*) = theirs;
        wrenfold::$name($($argument),*, $($result),*);
        let ($($result,)*) = foreign;
        casadi_call($casadi, &[$($argument.numbers()),*], &mut [$(&mut $result[..]),*])();
        let [mine, theirs, foreign] = results.map(|($($result,)*)| [$(&$result[..]),*].concat());
        let largest = difference(&mine, &theirs).max(difference(&mine, &foreign));
        assert!(largest <= MAX_DIFFERENCE, "{} differs by {largest:e} where an angle is 0", stringify!($name));
    }};
}

/// An argument as CasADi takes it.
trait Numbers {
    fn numbers(&self) -> &[f64];
}

impl<const N: usize> Numbers for &[f64; N] {
    fn numbers(&self) -> &[f64] {
        &self[..]
    }
}

impl Numbers for f64 {
    fn numbers(&self) -> &[f64] {
        std::slice::from_ref(self)
    }
}

fn unit(quaternion: [f64; 4]) -> [f64; 4] {
    let length = quaternion.iter().map(|element| element * element).sum::<f64>().sqrt();
    quaternion.map(|element| element / length)
}

pub fn rotations() {
    let (q0, q1) = (&unit([0.2, -0.3, 0.5, 0.8]), &unit([-0.4, 0.1, 0.3, 0.7]));
    let alpha = 0.35;
    compare!("QuatLocalCoords", quat_local_coords, c_quat_local_coords, (q0, q1), (out: 3, d0: 9, d1: 9));
    compare!("QuatInterpolation", quat_interpolation, c_quat_interpolation, (q0, q1, alpha), (out: 4, d0: 9, d1: 9));
    let q0 = &[0.0, 0.0, 0.0, 1.0];
    agree!(quat_local_coords, c_quat_local_coords, (q0, q0), (out: 3, d0: 9, d1: 9));
    agree!(quat_interpolation, c_quat_interpolation, (q0, q0, alpha), (out: 4, d0: 9, d1: 9));
}

pub fn imu_integration() {
    let (rotation, position, velocity) = (&unit([0.2, -0.3, 0.5, 0.8]), &[1.0, -2.0, 0.5], &[0.3, 0.1, -0.7]);
    let (gyro_bias, accelerometer_bias) = (&[0.01, -0.02, 0.03], &[0.1, 0.05, -0.07]);
    let (rate, acceleration, dt) = (&[0.4, -0.8, 0.3], &[0.2, 0.5, 9.7], 0.05);
    compare!(
        "ImuIntegration", imu_integration, c_imu_integration,
        (rotation, position, velocity, gyro_bias, accelerometer_bias, rate, acceleration, dt),
        (turned: 4, moved: 3, faster: 3, by_state: 81, by_measurements: 54, by_biases: 54)
    );
    let rate = gyro_bias;
    agree!(
        imu_integration, c_imu_integration, (rotation, position, velocity, gyro_bias, accelerometer_bias, rate, acceleration, dt),
        (turned: 4, moved: 3, faster: 3, by_state: 81, by_measurements: 54, by_biases: 54)
    );
}

pub fn rolling_shutter_camera() {
    let (imu, imu_position) = (&unit([0.1, -0.05, 0.2, 0.9]), &[0.1, 0.2, -0.3]);
    let (mount, mount_position) = (&unit([0.02, 0.03, -0.01, 1.0]), &[0.05, -0.02, 0.01]);
    let (rate, velocity, point, time_of_row) = (&[0.3, -0.2, 0.5], &[1.0, 0.5, -0.2], &[0.5, -0.4, 4.0], 0.013);
    let camera = &[600.0, 590.0, 320.0, 240.0, -0.12, 0.03, 0.002, 1e-3, -5e-4];
    compare!(
        "RollingShutterCamera", rolling_shutter_camera, c_rolling_shutter_camera,
        (imu, imu_position, mount, mount_position, rate, velocity, point, time_of_row, camera),
        (image: 2, by_imu: 6, by_imu_position: 6, by_mount: 6, by_mount_position: 6, by_rate: 6, by_velocity: 6, by_point: 6)
    );
    let rate = &[0.0; 3];
    agree!(
        rolling_shutter_camera, c_rolling_shutter_camera,
        (imu, imu_position, mount, mount_position, rate, velocity, point, time_of_row, camera),
        (image: 2, by_imu: 6, by_imu_position: 6, by_mount: 6, by_mount_position: 6, by_rate: 6, by_velocity: 6, by_point: 6)
    );
}
