// Where panels stand.

/** All panels, those of closed rows opened, in the order of reading, each with its `gridPos` on the page. */
export function placed(panels) {
  const ordered = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  let shift = 0;
  return ordered.flatMap((panel) => {
    const here = lowered(panel, shift);
    const inner = panel.type === "row" ? (panel.panels ?? []) : [];
    if (!inner.length) return [here];
    const top = Math.min(...inner.map(({ gridPos }) => gridPos.y));
    const opened = inner.map((each) => lowered(each, here.gridPos.y + 1 - top));
    shift += Math.max(...inner.map(({ gridPos }) => gridPos.y + gridPos.h)) - top;
    return [here, ...opened];
  });
}

const lowered = (panel, by) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + by } });
