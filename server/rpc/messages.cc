#include "server/rpc/messages.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/base/bytes.h"
#include "server/base/proto_duration.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

absl::StatusOr<PixelFormat> ReadFormat(v1::RawFormat format) {
  switch (format) {
    case v1::RAW_FORMAT_RGB:
      return PixelFormat::kRgb;
    case v1::RAW_FORMAT_BGR:
      return PixelFormat::kBgr;
    case v1::RAW_FORMAT_GRAY:
      return PixelFormat::kGray;
    default:
      return absl::InvalidArgumentError(absl::StrCat("raw.format is ", static_cast<int>(format),
                                                     ", not RGB (1), BGR (2) or GRAY (3)"));
  }
}

absl::StatusOr<Criticality> ReadCriticality(v1::Criticality criticality) {
  switch (criticality) {
    case v1::CRITICALITY_UNSPECIFIED:
    case v1::CRITICALITY_DEFAULT:
      return Criticality::kDefault;
    case v1::CRITICALITY_SHEDDABLE:
      return Criticality::kSheddable;
    case v1::CRITICALITY_CRITICAL:
      return Criticality::kCritical;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("criticality is ", static_cast<int>(criticality),
                       ", not SHEDDABLE (1), DEFAULT (2) or CRITICAL (3)"));
  }
}

v1::ImageFormat WriteFormat(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return v1::IMAGE_FORMAT_JPEG;
    case ImageFormat::kPng:
      return v1::IMAGE_FORMAT_PNG;
    case ImageFormat::kWebP:
      return v1::IMAGE_FORMAT_WEBP;
    case ImageFormat::kBmp:
      return v1::IMAGE_FORMAT_BMP;
    case ImageFormat::kRaw:
      return v1::IMAGE_FORMAT_RAW;
    case ImageFormat::kTensor:  // never comes this way
      break;
  }
  return v1::IMAGE_FORMAT_UNSPECIFIED;
}

v1::ModelState WriteState(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return v1::MODEL_STATE_LOADING;
    case ModelState::kReady:
      return v1::MODEL_STATE_READY;
    case ModelState::kFailed:
      return v1::MODEL_STATE_FAILED;
    case ModelState::kUnloaded:
      return v1::MODEL_STATE_UNLOADED;
  }
  return v1::MODEL_STATE_UNSPECIFIED;
}

const char* CropModeName(CropMode mode) {
  switch (mode) {
    case CropMode::kCenter:
      return "center";
    case CropMode::kSquash:
      return "squash";
    case CropMode::kBorder:
      return "border";
  }
  return "";
}

void WritePreprocessing(const Preprocessing& from, v1::Preprocessing& to) {
  to.set_input_width(from.width);
  to.set_input_height(from.height);
  to.set_interpolation(from.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear");
  to.set_crop_mode(CropModeName(from.crop_mode));
  to.set_crop_pct(from.crop_pct);
  to.mutable_mean()->Assign(from.mean.begin(), from.mean.end());
  to.mutable_std()->Assign(from.std.begin(), from.std.end());
  to.set_orientation_applied(from.apply_orientation);
}

}  // namespace

absl::StatusOr<ClassifyRequest> ReadRequest(const v1::ClassifyRequest& message) {
  ClassifyRequest request;
  request.message_bytes = static_cast<int64_t>(message.SpaceUsedLong());
  request.model = message.model();
  request.version = message.version();
  if (message.has_encoded()) {
    request.image = AsBytes(message.encoded());
  } else if (message.has_raw()) {
    const v1::RawImage& raw = message.raw();
    ASSIGN_OR_RETURN(const PixelFormat format, ReadFormat(raw.format()));
    request.image = RawPixels{AsBytes(raw.pixels()), raw.width(), raw.height(), format};
  }
  if (message.has_top_k()) request.top_k = message.top_k();
  request.embedding = message.embedding();
  request.normalize_embedding = message.normalize_embedding();
  ASSIGN_OR_RETURN(request.criticality, ReadCriticality(message.criticality()));
  return request;
}

void WriteResponse(const Answer& answer, const v1::ClassifyRequest& request,
                   v1::ClassifyResponse& response) {
  const ModelDescription& description = answer.model->description;
  response.Clear();
  for (const Prediction& prediction : answer.predictions) {
    v1::Prediction& to = *response.add_predictions();
    const ClassName& name = description.classes[prediction.class_id];
    to.set_class_id(prediction.class_id);
    to.set_label(name.label);
    to.set_description(name.description);
    to.set_probability(prediction.probability);
    if (request.logits()) to.set_logit(prediction.logit);
  }
  response.mutable_embedding()->Assign(answer.embedding.begin(), answer.embedding.end());
  response.set_model(answer.model->name);
  response.set_version(description.version);
  response.set_id(request.id());
  *response.mutable_timings()->mutable_decode() = ToProto(answer.decode);
  *response.mutable_timings()->mutable_queue() = ToProto(answer.queue);
  *response.mutable_timings()->mutable_run() = ToProto(answer.run);
  response.set_batch_size(answer.batch_size);
  v1::ImageInfo& image = *response.mutable_image();
  image.set_width(answer.image.width);
  image.set_height(answer.image.height);
  image.set_format(WriteFormat(answer.image.format));
  image.set_orientation(answer.image.orientation);
}

v1::Model WriteModel(const ModelEntry& entry, bool is_default, bool with_classes) {
  v1::Model model;
  model.set_name(entry.name);
  model.set_state(WriteState(entry.state));
  model.set_state_message(entry.state_message);
  model.set_is_default(is_default);
  if (entry.model == nullptr) return model;
  const ModelDescription& description = entry.model->description;
  model.set_version(description.version);
  model.set_commit(description.commit);
  model.set_architecture(description.architecture);
  WritePreprocessing(description.preprocessing, *model.mutable_preprocessing());
  for (const ClassName& name : description.classes) {
    if (!with_classes) break;
    v1::Class& to = *model.add_classes();
    to.set_label(name.label);
    to.set_description(name.description);
  }
  model.set_precision(description.precision);
  model.set_device(description.device);
  model.set_max_batch_size(entry.model->max_batch());
  model.set_embedding_size(description.embedding_size);
  model.set_num_classes(static_cast<int>(description.classes.size()));
  return model;
}

}  // namespace patchserve
