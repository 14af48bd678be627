#include "server/hub_model.h"

#include <cstdlib>

#include "server/base/status.h"
#include "server/hub/environment.h"
#include "server/hub/model_id.h"
#include "server/hub/snapshot.h"
#include "spdlog/spdlog.h"

namespace patchserve {

absl::Status FetchModel(ModelSettings& settings, bool ask_hub, const std::atomic<bool>& cancelled,
                        const std::function<void(const std::string& text)>& progress) {
  if (!IsHubModel(settings.folder)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const HubModelId id, ParseHubModelId(settings.folder));
  ASSIGN_OR_RETURN(
      const HubEnvironment hub,
      ReadHubEnvironment([](const char* name) -> const char* { return std::getenv(name); }));
  const FetchHooks hooks{
      .cancelled = cancelled, .progress = progress, .wait = [&cancelled](absl::Duration pause) {
        return WaitUnlessCancelled(pause, cancelled);
      }};
  ASSIGN_OR_RETURN(const HubSnapshot snapshot,
                   ask_hub ? FetchSnapshot(hub, id, hooks) : CachedSnapshot(hub, id));
  progress("");
  spdlog::info("model {}: {} is commit {}, in {}", settings.name, id.text(), snapshot.commit,
               snapshot.folder);
  settings.folder = snapshot.folder;
  settings.commit = snapshot.commit;
  return absl::OkStatus();
}

}  // namespace patchserve
