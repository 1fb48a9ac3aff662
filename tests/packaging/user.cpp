#include "runtime/train/session.h"

int main() {
  int unused;
  return static_cast<int>(cnnc::Language::standard().layers.size() == 0);
}
