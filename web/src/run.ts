// "Run in …": the dock types a block into a terminal. The dock registers itself here when it is there.

type Runner = (target: string, text: string) => Promise<void>;

let runner: Runner | null = null;

export const setRunner = (r: Runner): void => {
  runner = r;
};

export async function runIn(target: string, text: string): Promise<void> {
  if (!runner) throw new Error("no terminals on this page");
  await runner(target, text);
}
