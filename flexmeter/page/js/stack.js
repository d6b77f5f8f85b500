// Series on top of each other.

/** The values of each field as they are drawn: of stacked ones on the sum of those before it, by sign. */
export function stacked(fields) {
  const sums = { normal: { up: [], down: [] }, percent: { up: [], down: [] } };
  const totals = [];
  for (const { values, config } of fields) {
    if (config.custom?.stacking?.mode === "percent")
      values.forEach((value, i) => (totals[i] = (totals[i] ?? 0) + Math.abs(value ?? 0)));
  }
  return fields.map(({ values, config }) => {
    const mode = config.custom?.stacking?.mode;
    if (!(mode in sums)) return values;
    return values.map((value, i) => {
      if (value === null || value === undefined) return value;
      const part = mode === "percent" ? value / (totals[i] || 1) : value;
      const sum = part < 0 ? sums[mode].down : sums[mode].up;
      return (sum[i] = (sum[i] ?? 0) + part);
    });
  });
}
