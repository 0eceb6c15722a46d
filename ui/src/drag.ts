// Dragging one row of a list with mouse, pen or finger. The row follows the pointer and the others make
// room; nothing is rendered anew until it is dropped. Positions are set through the CSSOM, as the
// page's CSP demands. Close to the window's edges the page scrolls along.

/** A press that moves less than this is a click. */
const DRAG_FROM_PX = 4;
const EDGE_PX = 64;
const EDGE_SPEED_PX = 14;

export interface DragOptions {
  readonly list: HTMLElement;
  readonly row: HTMLElement;
  readonly event: PointerEvent;
  /** The drag has really begun. */
  readonly onStart: () => void;
  /** It is over; @to is the row's new index, or null when it was given up. Positions are still as dragged. */
  readonly onEnd: (to: number | null) => void;
}

export function startDrag({ list, row, event: down, onStart, onEnd }: DragOptions): void {
  const handle = down.currentTarget as HTMLElement;
  const rows = [...list.children] as HTMLElement[];
  const from = rows.indexOf(row);
  const boxes = rows.map((each) => ({ top: each.offsetTop, height: each.offsetHeight }));
  const own = boxes[from]!;
  const startY = down.clientY + scrollY;
  let clientY = down.clientY;
  let to = from;
  let dragging = false;
  let frame = 0;

  const follow = (): void => {
    const y = Math.max(-own.top - own.height / 2, clientY + scrollY - startY);
    const centre = own.top + own.height / 2 + y;
    to = boxes.filter(
      (box, i) => i !== from && box.top + box.height / 2 + (i < from ? own.height : -own.height) / 2 < centre,
    ).length;
    row.style.transform = `translateY(${y}px)`;
    rows.forEach((each, i) => {
      if (i === from) return;
      const shift = i > from && i <= to ? -own.height : i < from && i >= to ? own.height : 0;
      each.style.transform = shift ? `translateY(${shift}px)` : "";
    });
  };

  const scrollAtEdge = (): void => {
    const above = EDGE_PX - clientY;
    const below = clientY - (innerHeight - EDGE_PX);
    const speed =
      Math.max(-1, Math.min(1, (below > 0 ? below : above > 0 ? -above : 0) / EDGE_PX)) * EDGE_SPEED_PX;
    if (speed) {
      scrollBy(0, speed);
      follow();
    }
    frame = requestAnimationFrame(scrollAtEdge);
  };

  const begin = (): void => {
    dragging = true;
    list.classList.add("dragging");
    row.classList.add("dragged");
    frame = requestAnimationFrame(scrollAtEdge);
    onStart();
  };

  const onMove = (event: PointerEvent): void => {
    clientY = event.clientY;
    if (!dragging && Math.abs(clientY + scrollY - startY) < DRAG_FROM_PX) return;
    if (!dragging) begin();
    follow();
  };

  const end = (drop: boolean): void => {
    handle.removeEventListener("pointermove", onMove);
    handle.removeEventListener("pointerup", onUp);
    handle.removeEventListener("pointercancel", onCancel);
    removeEventListener("keydown", onKey, true);
    cancelAnimationFrame(frame);
    if (!dragging) return;
    // The click that follows a drag picks nothing up.
    handle.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => handle.removeEventListener("click", swallow, true));
    onEnd(drop ? to : null);
    list.classList.remove("dragging");
    row.classList.remove("dragged");
    for (const each of rows) each.style.transform = "";
  };
  const swallow = (event: Event): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  const onUp = (): void => end(true);
  const onCancel = (): void => end(false);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    end(false);
  };

  handle.setPointerCapture(down.pointerId);
  handle.addEventListener("pointermove", onMove);
  handle.addEventListener("pointerup", onUp);
  handle.addEventListener("pointercancel", onCancel);
  addEventListener("keydown", onKey, true);
}
