//! `ba`: bundle adjustment. The errors of projected points and of weights, and the sparse Jacobian of all errors by cameras, points and
//! weights.
//!
//! Arrays have a row for each parameter and a column for each observation, so that every step runs along observations. Cameras and points
//! are gathered first. An observation's errors depend on its own columns alone, so the gradient of the sum of all errors by what was
//! gathered holds the rows of the Jacobian: two sweeps of reverse mode give all of it.

use pullback::{Expr, Graph, Options, RunError};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    error::EvalError,
    prepared::{Inputs, Program},
    timed::Timed,
};

/// Rotation (3), center (3), focal length, principal point (2), radial distortion (2).
const N_CAMERA: usize = 11;
const N_POINT: usize = 3;
/// What an error of an observation depends on: its camera, its point, its weight.
const N_COLUMNS: usize = N_CAMERA + N_POINT + 1;

#[derive(Debug, Deserialize)]
struct Input {
    n: usize,
    m: usize,
    p: usize,
    cam: Vec<f64>,
    x: Vec<f64>,
    w: f64,
    feat: Vec<f64>,
}

/// The camera and the point of each observation.
struct Observations {
    cameras: Vec<i64>,
    points: Vec<i64>,
}

/// What belongs to each observation, and its errors.
struct Projection<'g> {
    camera: Expr<'g>,
    point: Expr<'g>,
    weight: Expr<'g>,
    errors: [Expr<'g>; 2],
    weight_error: Expr<'g>,
}

pub(crate) fn objective(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let projection = build(&mut inputs, &input, &observations(&input))?;
    let [u, v] = projection.errors;
    let results = [("reproj_error", u.stack([v], 1)), ("w_err", projection.weight_error)];
    Ok(inputs.compile(results, options)?.timed(|program| {
        let (errors, weight_errors) = (program.elements("reproj_error"), program.elements("w_err"));
        json!({
            "reproj_error": { "elements": errors[..2], "repeated": errors.len() / 2 },
            "w_err": { "element": weight_errors[0], "repeated": weight_errors.len() },
        })
    }))
}

pub(crate) fn jacobian(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let input: Input = serde_json::from_value(input)?;
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let observations = observations(&input);
    let projection = build(&mut inputs, &input, &observations)?;
    let rows = projection.errors.map(|error| {
        let by = g.gradients(error.sum(), &[projection.camera, projection.point, projection.weight]);
        by[0].concat([by[1], by[2].unsqueeze(0)], 0)
    });
    let by_weight = g.gradient(projection.weight_error.sum(), projection.weight);
    let values = rows[0].concat([rows[1]], 0).t().flatten(0).concat([by_weight], 0);
    let program = inputs.compile([("values", values)], options)?;
    let (rows, columns) = (Vec::new(), Vec::new());
    Ok(Box::new(SparseJacobian { program, n_cameras: input.n, n_points: input.m, observations, rows, columns }))
}

/// The input is one camera, one point, one weight and one feature, which are repeated.
fn observations(input: &Input) -> Observations {
    let numbers = |count: usize| (0..input.p).map(|observation| (observation % count) as i64).collect();
    Observations { cameras: numbers(input.n), points: numbers(input.m) }
}

fn build<'g>(inputs: &mut Inputs<'g>, input: &Input, observations: &Observations) -> Result<Projection<'g>, EvalError> {
    let lengths = [("cam", N_CAMERA, &input.cam), ("x", N_POINT, &input.x), ("feat", 2, &input.feat)];
    for (name, expected, list) in lengths {
        if list.len() != expected {
            return Err(EvalError::Length { name, expected, found: list.len() });
        }
    }
    for (name, size) in [("n", input.n), ("m", input.m), ("p", input.p)] {
        if size == 0 {
            return Err(EvalError::Empty { name });
        }
    }
    let repeated = |parameters: &[f64], count: usize| -> Vec<f64> {
        parameters.iter().flat_map(|parameter| std::iter::repeat_n(*parameter, count)).collect()
    };
    let cameras = inputs.array("cameras", &[N_CAMERA, input.n], &repeated(&input.cam, input.n));
    let points = inputs.array("points", &[N_POINT, input.m], &repeated(&input.x, input.m));
    let weight = inputs.vector("weights", &vec![input.w; input.p]);
    let features = inputs.array("features", &[2, input.p], &repeated(&input.feat, input.p));
    let camera = cameras.gather(inputs.positions("camera_of", &observations.cameras), 1);
    let point = points.gather(inputs.positions("point_of", &observations.points), 1);
    let [u, v] = project(camera, point);
    let errors = [weight * (u - features.slice(0)), weight * (v - features.slice(1))];
    Ok(Projection { camera, point, weight, errors, weight_error: 1.0 - weight.square() })
}

/// Where a camera sees a point.
fn project<'g>(camera: Expr<'g>, point: Expr<'g>) -> [Expr<'g>; 2] {
    let parameter = |number: i64| camera.slice(number);
    let from_center = [0, 1, 2].map(|axis| point.slice(axis) - parameter(3 + axis));
    let [x, y, z] = rotate([0, 1, 2].map(parameter), from_center);
    let (u, v) = (x / z, y / z);
    let squared_radius = u.square() + v.square();
    let distortion = 1.0 + parameter(9) * squared_radius + parameter(10) * squared_radius.square();
    let scale = distortion * parameter(6);
    [u * scale + parameter(7), v * scale + parameter(8)]
}

/// Rodrigues' rotation: v·cos θ + (a × v)·(sin θ)/θ + a·(a·v)·(1 − cos θ)/θ², with θ = ‖a‖; and v + a × v where θ is 0.
fn rotate<'g>(a: [Expr<'g>; 3], v: [Expr<'g>; 3]) -> [Expr<'g>; 3] {
    let dot = |left: [Expr<'g>; 3], right: [Expr<'g>; 3]| left[0] * right[0] + left[1] * right[1] + left[2] * right[2];
    let squared_angle = dot(a, a);
    let is_turned = squared_angle.greater(0.0);
    // Any number but 0 keeps what is not taken finite, its derivatives too.
    let angle = is_turned.select(squared_angle, 1.0).sqrt();
    let inverse = 1.0 / angle;
    let cosine = is_turned.select(angle.cos(), 1.0);
    let sine = is_turned.select(angle.sin() * inverse, 1.0);
    let versine = is_turned.select((1.0 - angle.cos()) * inverse * inverse, 0.0);
    let along = dot(a, v) * versine;
    [0, 1, 2].map(|axis| {
        let (next, after) = ((axis + 1) % 3, (axis + 2) % 3);
        v[axis] * cosine + (a[next] * v[after] - a[after] * v[next]) * sine + a[axis] * along
    })
}

/// The Jacobian by rows, as ADBench has it: `rows` says where in `columns` and in the values each row begins. First come the two rows of
/// each observation, then those of the errors of weights.
struct SparseJacobian {
    program: Program,
    n_cameras: usize,
    n_points: usize,
    observations: Observations,
    rows: Vec<i64>,
    columns: Vec<i64>,
}

impl SparseJacobian {
    /// Where the elements are, which is part of the work that is timed, as in other tools.
    fn lay_out(&mut self) {
        let n_observations = self.observations.cameras.len() as i64;
        let first_point = (N_CAMERA * self.n_cameras) as i64;
        let first_weight = first_point + (N_POINT * self.n_points) as i64;
        self.rows.clear();
        self.rows.extend((0..=2 * n_observations).map(|row| row * N_COLUMNS as i64));
        let last = 2 * n_observations * N_COLUMNS as i64;
        self.rows.extend((1..=n_observations).map(|row| last + row));
        self.columns.clear();
        for (observation, (camera, point)) in
            self.observations.cameras.iter().zip(&self.observations.points).enumerate()
        {
            let (camera, point) = (camera * N_CAMERA as i64, first_point + point * N_POINT as i64);
            for _ in 0..2 {
                self.columns.extend(camera..camera + N_CAMERA as i64);
                self.columns.extend(point..point + N_POINT as i64);
                self.columns.push(first_weight + observation as i64);
            }
        }
        self.columns.extend(first_weight..first_weight + n_observations);
    }
}

impl Timed for SparseJacobian {
    fn run(&mut self) -> Result<(), RunError> {
        self.lay_out();
        self.program.run()
    }

    /// Of each list the elements of the first observation and the last element.
    fn output(&self) -> Json {
        let numbers = |list: &[i64]| Json::from([&list[..2 * N_COLUMNS], &list[list.len() - 1..]].concat());
        let values = self.program.elements("values");
        let values = [&values[..2 * N_COLUMNS], &values[values.len() - 1..]].concat();
        json!({ "rows": numbers(&self.rows), "cols": numbers(&self.columns), "vals": values })
    }
}
