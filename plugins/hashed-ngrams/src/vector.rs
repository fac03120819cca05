//! From features to a vector of length one.

/// Adds up what features weigh where their hashes point to. Features are taken in the order of their hashes, so that sums of
/// floating-point numbers come out the same each time. A text without features is all zeros.
pub fn of(mut hashes: Vec<u64>, dimensions: usize) -> Vec<f32> {
    hashes.sort_unstable();
    let mut sums = vec![0.0_f64; dimensions];
    for feature in hashes.chunk_by(|a, b| a == b) {
        let Some(hash) = feature.first() else { continue };
        // One bit for the sign, so that features which share a place cancel out on average; the rest for the place.
        let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
        let place = usize::try_from((hash >> 1) % dimensions as u64).unwrap_or(0);
        if let Some(sum) = sums.get_mut(place) {
            *sum += sign * weight(feature.len());
        }
    }
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    sums.into_iter().map(|sum| (sum * scale) as f32).collect()
}

/// A feature that stands twice says more than one that stands once, but not twice as much. The square root is exact on every
/// machine, which logarithms are not.
fn weight(count: usize) -> f64 {
    (count as f64).sqrt()
}
