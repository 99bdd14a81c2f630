// Copying text, and saying so.

import { toast } from "./toasts.tsx";
import { t } from "./words.ts";

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast({ id: "copy", text: t("copy.done"), tone: "info" }, 1500);
  } catch {
    toast({ id: "copy", text: t("copy.failed"), tone: "warn" }, 5000);
  }
}
