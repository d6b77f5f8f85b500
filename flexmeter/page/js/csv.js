// Numbers as a file.

/** Rows of columns as RFC 4180 has them; times in ISO 8601. */
export function toCsv(columns) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const cell = ({ kind, values }, row) =>
    values[row] === null ? "" : kind === "time" ? new Date(values[row]).toISOString() : quoted(String(values[row]));
  const head = columns.map(({ name }) => quoted(name)).join(",");
  const rows = (columns[0]?.values ?? []).map((_, row) => columns.map((column) => cell(column, row)).join(","));
  return [head, ...rows, ""].join("\r\n");
}
